// Makes the batches of a downstream task; a step's batch is a function of (seed, step) alone.
#pragma once

#include <vector>

#include "data/quarantine.h"
#include "data/sampler.h"
#include "data/step_images.h"
#include "vilt/tasks/downstream.h"
#include "vilt/tasks/downstream_data.h"

namespace tessera {

struct DownstreamOptions : SamplerOptions {
  int64_t accumulate = 1;     // micro-batches that a step, or a rank's share of it, is cut into
  int table_side = 12;        // of the image position table
  int64_t max_patches = 0;    // more are sampled, in raster order; 0: no limit
  bool rand_augment = false;  // pictures are augmented anew in every step
  bool levels = false;        // patches stay levels 0..255, which the model normalises
  int64_t answers = 0;        // vqa: how many the table has
  int64_t false_texts = 15;  // retrieval: captions beside a picture's own, drawn from them all, so that one may be true
  double sibling_negatives = 0;  // retrieval: chance that the first of them is a caption of the sibling instead
};

class DownstreamCollator {
 public:
  DownstreamCollator(const DownstreamTask& task, const DownstreamSource& source, const DownstreamOptions& options,
                     Quarantine& quarantine, Share share = {});

  // The micro-batches of step `step`, counted from 0. Thread-safe.
  std::vector<DownstreamBatch> step(int64_t step) const;

 private:
  int64_t usable_sample(int64_t sample, int64_t step, int64_t slot, StepImages& images) const;
  bool usable(int64_t sample, StepImages& images) const;
  DownstreamBatch pack(std::span<const int64_t> samples, int64_t step, int64_t first_slot,
                       const StepImages& images) const;

  const DownstreamTask& task_;
  const DownstreamSource& source_;
  DownstreamOptions options_;
  Quarantine& quarantine_;
  Sampler sampler_;
};

}  // namespace tessera
