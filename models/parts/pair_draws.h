// Which pairs of picture and caption a step of two towers consists of: all of them true ones, since what is false is
// the other pairs of the step.
#pragma once

#include <cstdint>
#include <vector>

#include "data/quarantine.h"
#include "data/sampler.h"
#include "data/samples.h"
#include "data/step_images.h"

namespace tessera {

struct PairDrawOptions : SamplerOptions {
  int64_t accumulate = 1;        // micro-batches that a step, or a rank's share of it, is cut into
  bool decode = true;            // pictures; without, none is looked at, and none is replaced
  bool rand_augment = false;     // pictures are augmented anew in every step
  std::string curriculum_group;  // of which the curriculum's captions are
};

// One step of one rank: a caption's picture is images[source.image_of(caption)].
struct DrawnPairs {
  std::vector<std::vector<int64_t>> micro_batches;  // captions
  StepImages images;
};

class PairDraws {
 public:
  // A step of a single pair is an error: it has nothing to be told apart from, and every loss of it is 0.
  PairDraws(const SampleSource& source, const PairDrawOptions& options, Quarantine& quarantine, Share share = {});

  // Of step `step`, counted from 0: a function of (seed, step). A pair whose picture cannot be decoded is replaced by
  // another. Thread-safe.
  DrawnPairs step(int64_t step) const;

 private:
  const SampleSource& source_;
  PairDrawOptions options_;
  Quarantine& quarantine_;
  Sampler sampler_;
};

// "captions 3, 17, …" by the ids under which a user finds them.
std::string captions_text(const std::vector<int64_t>& ids);

}  // namespace tessera
