// An order of samples that lie in runs, each of which is best read from front to back: shards. Each epoch has the runs
// in an order of its own, one after another; of these the samples are drawn in windows, each shuffled in itself. So
// what is read at one time lies in few runs, and the order of a window is made without that of any other.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace tessera {

struct SampleRun {
  int64_t first = 0, count = 0;
};

int64_t samples_in(const std::vector<SampleRun>& runs);

// Thread-safe.
class WindowedOrder {
 public:
  // `window`: samples at most, at least 1. `part`: a number that sets this order apart from others of the same seed. Of
  // each epoch the first `length` places are used (all, unless other ranks have fewer).
  WindowedOrder(std::vector<SampleRun> runs, int64_t window, int64_t length, uint64_t seed, uint64_t part);

  int64_t length() const { return length_; }
  // The sample at a place of training, which goes on from epoch to epoch.
  int64_t sample(int64_t position) const;
  // The samples of the window that has this place: those from which one is drawn in its stead.
  std::shared_ptr<const std::vector<int64_t>> window(int64_t position) const;
  const std::vector<SampleRun>& runs() const { return runs_; }

 private:
  struct Epoch {
    std::vector<SampleRun> runs;  // in its order
    std::vector<int64_t> begins;  // places
  };
  std::shared_ptr<const Epoch> epoch(int64_t number) const;
  // The windows of an epoch are of nearly one size, so that the last is not much smaller than the others.
  int64_t window_begin(int64_t index) const { return index * length_ / windows_of_epoch_; }
  int64_t window_index(int64_t place) const { return ((place + 1) * windows_of_epoch_ - 1) / length_; }

  std::vector<SampleRun> runs_;
  int64_t length_, windows_of_epoch_;
  uint64_t seed_, part_;
  mutable std::mutex mutex_;
  mutable std::map<int64_t, std::shared_ptr<const Epoch>> epochs_;                  // the latest
  mutable std::map<int64_t, std::shared_ptr<const std::vector<int64_t>>> windows_;  // likewise, over all epochs
};

// Shares out runs among ranks, so that each has about as many samples: those of each rank, in order.
std::vector<std::vector<SampleRun>> runs_of_ranks(const std::vector<SampleRun>& runs, int64_t ranks);

}  // namespace tessera
