#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "distributed/communicator.h"

namespace tessera {
namespace {

// What a rank is told whose call another rank cannot come to any more.
class OtherRankEnded : public Error {
 public:
  using Error::Error;
};

// What the ranks share: where the tensors of the call in progress lie, and how many ranks have come.
class Meeting {
 public:
  explicit Meeting(int size) : size_(size), tensors_(static_cast<size_t>(size)), calls_(static_cast<size_t>(size)) {}

  int size() const { return size_; }
  Tensor& tensor(int rank) { return tensors_[static_cast<size_t>(rank)]; }
  std::string& call(int rank) { return calls_[static_cast<size_t>(rank)]; }

  // Returns when all ranks have come as often as this one.
  void wait() {
    std::unique_lock lock(mutex_);
    if (!ended_ && ++arrived_ == size_) {
      arrived_ = 0;
      ++round_;
      all_here_.notify_all();
      return;
    }
    const int64_t round = round_;
    all_here_.wait(lock, [&] { return ended_ || round_ != round; });
    if (round_ == round) throw OtherRankEnded("another rank has ended, so this one waits in vain");
  }
  // A rank ends: whoever waits for it, or will, throws.
  void end() {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    all_here_.notify_all();
  }

 private:
  const int size_;
  std::vector<Tensor> tensors_;
  std::vector<std::string> calls_;
  std::mutex mutex_;
  std::condition_variable all_here_;
  int arrived_ = 0;
  int64_t round_ = 0;
  bool ended_ = false;
};

template <class T>
void add(const Tensor& x, Tensor& sum) {
  const T* from = x.data<T>();
  T* to = sum.mutable_data<T>();
  for (int64_t i = 0, count = x.numel(); i < count; ++i) to[i] += from[i];
}

void add(const Tensor& x, Tensor& sum) {
  switch (x.dtype()) {
    case DType::f32: return add<float>(x, sum);
    case DType::f64: return add<double>(x, sum);
    case DType::i64: return add<int64_t>(x, sum);
    default: fail("all_reduce: values are ", describe(x), ", expected f32, f64 or i64");
  }
}

class ThreadRank : public Communicator {
 public:
  ThreadRank(Meeting& meeting, int rank) : meeting_(meeting), rank_(rank) {}
  int rank() const override { return rank_; }
  int size() const override { return meeting_.size(); }

  // Each rank forms the whole sum by itself, from what the others have laid out: nobody writes where another reads.
  void all_reduce_(Tensor values) override {
    show("all_reduce", values);
    Tensor sum = meeting_.tensor(0).clone();
    for (int r = 1; r < size(); ++r) add(meeting_.tensor(r), sum);
    meeting_.wait();
    values.copy_(sum);
  }

  void broadcast_(Tensor values, int root) override {
    check(root >= 0 && root < size(), "broadcast: rank ", root, " of ", size());
    show("broadcast", values);
    const Tensor copy = rank_ == root ? Tensor() : meeting_.tensor(root).clone();
    meeting_.wait();
    if (rank_ != root) values.copy_(copy);
  }

  void barrier() override { meeting_.wait(); }

 private:
  // Lays a tensor out for the others, and returns when all have.
  void show(const char* call, const Tensor& values) {
    check(values.defined() && values.is_contiguous() && values.device().kind == Device::cpu, call, ": values are ",
          describe(values), ", expected a contiguous tensor on the CPU");
    meeting_.tensor(rank_) = values;
    meeting_.call(rank_) = text(call, " of ", describe(values));
    meeting_.wait();
    for (int r = 0; r < size(); ++r)
      check(meeting_.call(r) == meeting_.call(rank_), "rank ", rank_, " calls ", meeting_.call(rank_), ", rank ", r,
            " ", meeting_.call(r));
  }

  Meeting& meeting_;
  int rank_;
};

}  // namespace

void run_ranks(int size, const std::function<void(Communicator&)>& body) {
  check(size >= 1, "ranks: ", size, ", expected at least 1");
  Meeting meeting(size);
  std::vector<std::exception_ptr> own(static_cast<size_t>(size)), followed(static_cast<size_t>(size));
  std::vector<std::thread> threads;
  for (int r = 0; r < size; ++r)
    threads.emplace_back([&, r] {
      ThreadRank communicator(meeting, r);
      try {
        body(communicator);
      } catch (const OtherRankEnded&) {
        followed[static_cast<size_t>(r)] = std::current_exception();
      } catch (...) {
        own[static_cast<size_t>(r)] = std::current_exception();
      }
      meeting.end();
    });
  for (std::thread& thread : threads) thread.join();
  for (const auto* errors : {&own, &followed})
    for (const std::exception_ptr& error : *errors)
      if (error) std::rethrow_exception(error);
}

}  // namespace tessera
