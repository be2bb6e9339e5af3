// Makes the batches of pre-training. Everything that depends on data is decided here: which tokens are masked, which
// image a text is matched with, which patches are used. A step's batch is a function of (seed, step) alone.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "data/quarantine.h"
#include "data/sampler.h"
#include "data/samples.h"
#include "data/step_images.h"
#include "data/text/masking.h"
#include "vilt/input/batch.h"
#include "vilt/input/patch_masking.h"

namespace tessera {

// The samples are sentences.
struct CollatorOptions : SamplerOptions {
  int64_t accumulate = 1;     // micro-batches that a step, or a rank's share of it, is cut into
  int table_side = 12;        // of the image position table
  int64_t max_patches = 200;  // more are sampled, in raster order; 0: no limit
  bool masked_words = true, pairs = true, masked_patches = false;  // which passes a step has
  bool rand_augment = false;                                       // images are augmented anew in every step
  bool levels =
      false;  // patches stay levels 0..255, which the model normalises: a quarter of the bytes for a GPU to get
  MaskingOptions masking;
  PatchMaskingOptions patch_masking;
  double sibling_negatives = 0;        // share of false images that are the sibling's
  bool false_images_in_batch = false;  // other false images: from the step's own images, or from the whole data set
                                       // (with a window from there)
  std::string curriculum_group;        // of which the curriculum's sentences are
};

// `most` of an image's patches (0: no limit), in raster order; empty: all of them.
std::vector<int64_t> sample_patches(int64_t patches, int64_t most, Random& random);

class Collator {
 public:
  // Makes the pairs of the share's slots alone: no picture of another rank's is decoded. They are what they are with
  // one rank, except that false images from the batch are from the rank's own part of it.
  Collator(const PairSource& source, const CollatorOptions& options, Quarantine& quarantine, Share share = {});

  // The micro-batches of step `step`, counted from 0. Thread-safe.
  std::vector<PretrainBatch> step(int64_t step) const;

 private:
  struct Draw {  // one pair of a step
    int64_t sentence = 0, image = 0, pair_image = 0;
    bool matched = true;
    TextSample text;
    Masking masking;
  };

  std::vector<int64_t> curriculum() const;
  int64_t usable_sentence(int64_t sentence, int64_t step, int64_t slot, StepImages& images) const;
  Draw draw(int64_t sentence, int64_t step, int64_t slot, StepImages& images) const;
  int64_t drawn_image(int64_t step, int64_t slot, Random& random) const;
  void choose_pairs(std::vector<Draw>& draws, int64_t step, StepImages& images) const;
  int64_t patches_of(std::span<const Draw> draws, const StepImages& images) const;
  PretrainBatch pack(std::span<const Draw> draws, int64_t step, int64_t first_slot, const StepImages& images) const;
  void mask_sequence(BatchBuilder& builder, int sequence, Random& random, std::vector<int64_t>& rows,
                     std::vector<int64_t>& colours) const;

  const PairSource& source_;
  CollatorOptions options_;
  Quarantine& quarantine_;
  Sampler sampler_;
};

}  // namespace tessera
