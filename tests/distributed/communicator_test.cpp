#include "distributed/communicator.h"

#include <doctest/doctest.h>

#include <atomic>
#include <cmath>

#include "tests/error_text.h"

namespace tessera::communicator_test {
namespace {

// Different in every rank, and of very different sizes, so that the order of a sum shows in its bits.
template <class T>
std::vector<T> values_of(int rank, int64_t count) {
  std::vector<T> out;
  for (int64_t i = 0; i < count; ++i)
    out.push_back(static_cast<T>(
        std::ldexp(1.0 + static_cast<double>((rank * 131 + i * 17) % 97), (rank * 5 + static_cast<int>(i % 7)) % 23)));
  return out;
}

template <class T>
void check_sums() {
  for (const int ranks : {1, 2, 3, 5})
    for (const int64_t count : {0, 1, 3, 1000}) {
      std::vector<T> expected = values_of<T>(0, count);
      for (int r = 1; r < ranks; ++r) {
        const std::vector<T> x = values_of<T>(r, count);
        for (size_t i = 0; i < x.size(); ++i) expected[i] += x[i];
      }
      std::vector<std::vector<T>> got(static_cast<size_t>(ranks));
      run_ranks(ranks, [&](Communicator& ranks_here) {
        Tensor x = Tensor::from(values_of<T>(ranks_here.rank(), count));
        ranks_here.all_reduce_(x);
        got[static_cast<size_t>(ranks_here.rank())] = x.to_vector<T>();
      });
      for (const auto& values : got) CHECK(values == expected);
    }
}

}  // namespace

TEST_CASE("Communicator: sums are those of the ranks in their order, the same bits on each") {
  check_sums<float>();
  check_sums<double>();
  check_sums<int64_t>();
}

TEST_CASE("Communicator: many reductions one after the other, and views of one tensor") {
  run_ranks(4, [](Communicator& ranks) {
    Tensor arena = Tensor::zeros({64});
    for (int step = 0; step < 200; ++step) {
      Tensor part = arena.narrow(0, step % 60, 4);
      const uint64_t version = arena.version();
      part.fill_(ranks.rank() + 1);
      ranks.all_reduce_(part);
      CHECK(part.to_vector<float>() == std::vector<float>(4, 10));
      CHECK(arena.version() > version);
    }
  });
}

TEST_CASE("Communicator: a broadcast gives every rank the root's values") {
  run_ranks(3, [](Communicator& ranks) {
    for (int root = 0; root < 3; ++root) {
      Tensor bytes = Tensor::full({5}, ranks.rank(), DType::u8), none = Tensor::empty({0, 2});
      ranks.broadcast_(bytes, root);
      ranks.broadcast_(none, root);
      CHECK(bytes.to_vector<uint8_t>() == std::vector<uint8_t>(5, static_cast<uint8_t>(root)));
    }
  });
}

TEST_CASE("Communicator: nobody passes a barrier before all have come") {
  for (int round = 0; round < 50; ++round) {
    std::atomic<int> here{0};
    run_ranks(4, [&](Communicator& ranks) {
      ++here;
      ranks.barrier();
      CHECK(here == 4);
    });
  }
}

TEST_CASE("Communicator: the error of a rank ends the others, wherever they wait, and is the one that is told") {
  const auto error_with = [](const std::function<void(Communicator&)>& others) {
    return tests::error_of([&] {
      run_ranks(3, [&](Communicator& ranks) {
        ranks.barrier();
        check(ranks.rank() != 2, "rank 2 has no data");
        others(ranks);
      });
    });
  };
  CHECK(error_with([](Communicator& ranks) { ranks.barrier(); }) == "rank 2 has no data");
  CHECK(error_with([](Communicator& ranks) { ranks.all_reduce_(Tensor::zeros({8})); }) == "rank 2 has no data");
  CHECK(error_with([](Communicator&) {}) == "rank 2 has no data");
}

TEST_CASE("Communicator: a rank that makes fewer calls does not leave the others waiting") {
  CHECK(tests::error_of([] {
          run_ranks(2, [](Communicator& ranks) {
            if (ranks.rank() == 0) ranks.all_reduce_(Tensor::zeros({1}));
          });
        }) == "another rank has ended, so this one waits in vain");
}

TEST_CASE("Communicator: calls that do not fit together, and tensors that cannot be summed, are errors") {
  const auto error_of_reduce = [](auto tensor_of) {
    return tests::error_of(
        [&] { run_ranks(2, [&](Communicator& ranks) { ranks.all_reduce_(tensor_of(ranks.rank())); }); });
  };
  CHECK(error_of_reduce([](int rank) { return Tensor::zeros({rank + 1}); }) ==
        "rank 0 calls all_reduce of f32 [1], rank 1 all_reduce of f32 [2]");
  CHECK(error_of_reduce([](int) { return Tensor::zeros({2}, DType::u8); }) ==
        "all_reduce: values are u8 [2], expected f32, f64 or i64");
  CHECK(error_of_reduce([](int) {
          return Tensor::zeros({2, 3}).transpose(0, 1);
        }) == "all_reduce: values are f32 [3, 2], expected a contiguous tensor on the CPU");
  CHECK(tests::error_of([] { run_ranks(2, [](Communicator& ranks) { ranks.broadcast_(Tensor::zeros({1}), 2); }); }) ==
        "broadcast: rank 2 of 2");
  CHECK(tests::error_of([] { run_ranks(0, [](Communicator&) {}); }) == "ranks: 0, expected at least 1");
}

TEST_CASE("Communicator: the only rank keeps what it has") {
  Communicator& alone = single_rank();
  CHECK(alone.rank() == 0);
  CHECK(alone.size() == 1);
  Tensor x = Tensor::from(std::vector<float>{1, 2, 3});
  const uint64_t version = x.version();
  alone.all_reduce_(x);
  alone.broadcast_(x);
  alone.barrier();
  CHECK(x.to_vector<float>() == std::vector<float>{1, 2, 3});
  CHECK(x.version() == version);
  CHECK(tests::error_of([&] { alone.broadcast_(x, 1); }) == "broadcast: rank 1 of 1");
}

}  // namespace tessera::communicator_test
