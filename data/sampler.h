// Which samples a step consists of, by index alone: nothing is read or decoded to choose them. A sample is whatever a
// data set counts from 0: a caption, a pair, a row.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "data/mixture.h"
#include "data/windowed_order.h"
#include "tensor/philox.h"

namespace tessera {

// Samples that stand one after another, as those of one of several data sets.
struct SamplePart {
  int64_t count = 0;
  double weight = 1;
  std::vector<int64_t> runs = {};  // lengths of the runs that they lie in, shards; needed with a window
};

struct SamplerOptions {
  int64_t batch_size = 32;  // samples per step, of all ranks together
  uint64_t seed = 0;
  int64_t curriculum_steps = 0;        // these first steps use only the samples of the curriculum
  std::vector<SamplePart> parts = {};  // drawn by weight, and together all samples; none: each sample as often as any
  // At one time samples are drawn from so many that lie together (data/windowed_order.h); 0: from all.
  int64_t window = 0;
};

// The part of every step that one rank makes: ranks share out the slots of a batch in runs of equal length.
struct Share {
  int64_t rank = 0, ranks = 1;
};

// Streams of random numbers, Random(seed, stream, ...), that are not a task's: its own have other numbers, so that a
// change in one kind of draw leaves the others as they were.
enum SamplingStream : uint64_t {
  kOrderStream = 1,
  kReplacementStream = 6,
  kAugmentStream = 7,
  kMixtureStream = 9,
  kRunStream = 12,
  kWindowStream = 13
};

// Each epoch is a permutation of its own; batches run on across the end of an epoch. With parts each has its own
// epochs, which end when its own samples do. What a slot of a step holds is a function of (seed, step, slot), the same
// for any number of ranks. With a window each rank has runs of its own, and what its slots hold depends on how many
// ranks there are; its epochs are as long as those of the rank that has least. Thread-safe.
class Sampler {
 public:
  using Usable = std::function<bool(int64_t sample)>;

  // Of samples 0 ... count - 1. `curriculum`: the samples of the first steps; needed if there are such steps. `ranks`
  // must divide the batch.
  Sampler(int64_t count, const SamplerOptions& options, std::vector<int64_t> curriculum = {}, Share share = {});

  // The slots of a step that are this rank's: first_slot() ... first_slot() + slots() - 1.
  int64_t first_slot() const { return share_.rank * slots(); }
  int64_t slots() const { return options_.batch_size / share_.ranks; }

  // Whether samples are drawn from windows.
  bool windowed() const { return options_.window > 0; }
  // One of the window from which this slot's sample is.
  int64_t of_window(int64_t step, int64_t slot, Random& random) const;
  // The samples of this rank's slots.
  std::vector<int64_t> samples(int64_t step) const;
  // What takes the slot of a sample that turned out to be unusable: one drawn from those that this step may use, of the
  // same part, or the first usable one of them all if a hundred draws are not; none if there is none.
  std::optional<int64_t> replacement(int64_t step, int64_t slot, const Usable& usable) const;
  // How many samples the step is drawn from.
  int64_t candidates(int64_t step) const;

 private:
  using Order = std::shared_ptr<const std::vector<int64_t>>;

  // A run of samples with epochs of its own, and the place of a position in it.
  struct Run {
    int64_t first, count;  // of the curriculum's list, or of all samples
    uint64_t part;
    int64_t number;
  };

  bool in_curriculum(int64_t step) const { return step < options_.curriculum_steps; }
  int64_t position(int64_t step, int64_t slot) const;
  void order_runs();
  // Where a slot's sample is: the order of its part, and the place in it.
  std::pair<const WindowedOrder*, int64_t> windowed_place(int64_t step, int64_t slot) const;
  std::optional<int64_t> windowed_replacement(int64_t step, int64_t slot, const Usable& usable) const;
  Run run_of(int64_t step, int64_t slot) const;
  Order epoch_order(bool in_curriculum, const Run& run) const;

  int64_t count_;
  SamplerOptions options_;
  std::vector<int64_t> curriculum_;
  Share share_;
  std::optional<Mixture> mixture_;
  std::vector<int64_t> firsts_;                           // of each part
  std::vector<std::unique_ptr<WindowedOrder>> windowed_;  // likewise, where samples are drawn from windows

  mutable std::mutex mutex_;
  // Of the latest epochs of each part, by (after the curriculum, epoch): in the order in which training comes to them,
  // so that the first is the one to forget.
  mutable std::map<uint64_t, std::map<std::pair<bool, int64_t>, Order>> orders_;
};

}  // namespace tessera
