// Makes the batches of pre-training. Everything that depends on data is decided here: which tokens are masked, which
// image a text is matched with, which patches are used. A step's batch is a function of (seed, step) alone.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>

#include "data/text/masking.h"
#include "vilt/input/patch_masking.h"
#include "data/samples.h"
#include "vilt/input/batch.h"

namespace tessera {

struct CollatorOptions {
  int64_t batch_size = 32;  // pairs per step
  int64_t accumulate = 1;   // micro-batches a step is cut into
  uint64_t seed = 0;
  int table_side = 12;      // of the image position table
  int64_t max_patches = 200;  // more are sampled, in raster order; 0: no limit
  bool masked_words = true, pairs = true, masked_patches = false;  // which passes a step has
  bool rand_augment = false;  // images are augmented anew in every step
  bool levels = false;  // patches stay levels 0..255, which the model normalises: a quarter of the bytes for a GPU to get
  MaskingOptions masking;
  PatchMaskingOptions patch_masking;
  double sibling_negatives = 0;     // share of false images that are the sibling's
  bool false_images_in_batch = false;  // other false images: from the step's own images, or from the whole data set
  int64_t curriculum_steps = 0;     // these first steps use only ...
  std::string curriculum_group;     // ... sentences of this annotated group
};

// Images that cannot be used: named once, counted, never read again, replaced. Thread-safe.
class Quarantine {
 public:
  Quarantine(int64_t limit, std::function<void(const std::string&)> report) : limit_(limit), report_(std::move(report)) {}
  bool contains(int64_t image) const;
  // Reports the first time; throws when there are more than the limit.
  void add(int64_t image, const std::string& reason);
  int64_t count() const;

 private:
  mutable std::mutex mutex_;
  std::set<int64_t> images_;
  int64_t limit_;
  std::function<void(const std::string&)> report_;
};

class Collator {
 public:
  Collator(const SampleSource& source, const CollatorOptions& options, Quarantine& quarantine);

  // The micro-batches of step `step`, counted from 0. Thread-safe.
  std::vector<PretrainBatch> step(int64_t step) const;

 private:
  struct Draw {  // one pair of a step
    int64_t sentence = 0, image = 0, pair_image = 0;
    bool matched = true;
    Masking masking;
  };

  using Order = std::shared_ptr<const std::vector<int64_t>>;
  // The images of one step, so that each is decoded, and augmented, once even where none stays in memory. A picture that
  // several pairs of a step use is the same in all of them.
  struct StepImages {
    int64_t step = 0;
    std::map<int64_t, std::shared_ptr<const ResizedImage>> ready;
  };
  Order epoch_order(bool in_curriculum, int64_t epoch) const;
  std::vector<int64_t> sentences_of(int64_t step) const;
  int64_t usable_sentence(int64_t sentence, int64_t step, int64_t slot, StepImages& images) const;
  Draw draw(int64_t sentence, int64_t step, int64_t slot, StepImages& images) const;
  void choose_pairs(std::vector<Draw>& draws, int64_t step, StepImages& images) const;
  bool usable(int64_t image, StepImages& images) const;
  int64_t patches_of(std::span<const Draw> draws, const StepImages& images) const;
  PretrainBatch pack(std::span<const Draw> draws, int64_t step, int64_t first_slot, const StepImages& images) const;
  void mask_sequence(BatchBuilder& builder, int sequence, Random& random, std::vector<int64_t>& rows,
                     std::vector<int64_t>& colours) const;
  std::vector<int64_t> patch_sample(int64_t patches, Random& random) const;

  const SampleSource& source_;
  CollatorOptions options_;
  Quarantine& quarantine_;
  std::vector<int64_t> group_;  // sentences of the curriculum group

  mutable std::mutex mutex_;
  // Of the latest epochs, by (after the curriculum, epoch): in the order in which training comes to them, so that the
  // first is the one to forget.
  mutable std::map<std::pair<bool, int64_t>, Order> orders_;
};

}  // namespace tessera
