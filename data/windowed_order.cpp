#include "data/windowed_order.h"

#include <algorithm>
#include <numeric>

#include "data/sampler.h"
#include "tensor/error.h"
#include "tensor/philox.h"

namespace tessera {
namespace {

constexpr size_t kKept = 4;  // epochs and windows: workers are at most a few steps apart

}  // namespace

int64_t samples_in(const std::vector<SampleRun>& runs) {
  int64_t samples = 0;
  for (const SampleRun& run : runs) samples += run.count;
  return samples;
}

WindowedOrder::WindowedOrder(std::vector<SampleRun> runs, int64_t window, int64_t length, uint64_t seed, uint64_t part)
    : runs_(std::move(runs)),
      length_(length),
      windows_of_epoch_((length + window - 1) / std::max<int64_t>(1, window)),
      seed_(seed),
      part_(part) {
  const int64_t samples = samples_in(runs_);
  check(window >= 1, "order: a window of ", window, " samples, expected at least 1");
  check(length >= 1 && length <= samples, "order: epochs of ", length, " of ", samples, " samples");
}

std::shared_ptr<const WindowedOrder::Epoch> WindowedOrder::epoch(int64_t number) const {
  const std::lock_guard lock(mutex_);
  std::shared_ptr<const Epoch>& entry = epochs_[number];
  if (!entry) {
    Epoch made{runs_, {}};
    Random(seed_, kRunStream, number, part_).shuffle(made.runs);
    int64_t begin = 0;
    for (const SampleRun& run : made.runs) {
      made.begins.push_back(begin);
      begin += run.count;
    }
    entry = std::make_shared<const Epoch>(std::move(made));
  }
  const std::shared_ptr<const Epoch> result = entry;
  if (epochs_.size() > kKept) epochs_.erase(epochs_.begin());
  return result;
}

std::shared_ptr<const std::vector<int64_t>> WindowedOrder::window(int64_t position) const {
  const int64_t number = position / length_, index = window_index(position % length_);
  const int64_t key = number * windows_of_epoch_ + index;
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = windows_.find(key); found != windows_.end()) return found->second;
  }
  const auto in_order = epoch(number);
  const int64_t begin = window_begin(index), end = window_begin(index + 1);
  std::vector<int64_t> samples;
  auto run = static_cast<size_t>(std::upper_bound(in_order->begins.begin(), in_order->begins.end(), begin) -
                                 in_order->begins.begin() - 1);
  for (; run < in_order->runs.size() && in_order->begins[run] < end; ++run) {
    const SampleRun& of = in_order->runs[run];
    const int64_t at = in_order->begins[run];
    for (int64_t i = std::max(begin, at); i < std::min(end, at + of.count); ++i) samples.push_back(of.first + i - at);
  }
  Random(seed_, kWindowStream, number, index, part_).shuffle(samples);
  auto made = std::make_shared<const std::vector<int64_t>>(std::move(samples));
  const std::lock_guard lock(mutex_);
  windows_[key] = made;
  if (windows_.size() > kKept) windows_.erase(windows_.begin());
  return made;
}

int64_t WindowedOrder::sample(int64_t position) const {
  const int64_t place = position % length_;
  return (*window(position))[static_cast<size_t>(place - window_begin(window_index(place)))];
}

std::vector<std::vector<SampleRun>> runs_of_ranks(const std::vector<SampleRun>& runs, int64_t ranks) {
  std::vector<size_t> order(runs.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return runs[a].count > runs[b].count; });
  std::vector<std::vector<size_t>> chosen(static_cast<size_t>(ranks));
  std::vector<int64_t> samples(static_cast<size_t>(ranks));
  for (const size_t run : order) {
    const auto least = static_cast<size_t>(std::min_element(samples.begin(), samples.end()) - samples.begin());
    chosen[least].push_back(run);
    samples[least] += runs[run].count;
  }
  std::vector<std::vector<SampleRun>> out;
  for (std::vector<size_t>& of_rank : chosen) {
    std::sort(of_rank.begin(), of_rank.end());
    out.emplace_back();
    for (const size_t run : of_rank) out.back().push_back(runs[run]);
  }
  return out;
}

}  // namespace tessera
