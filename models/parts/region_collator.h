// The pairs of a step for the systems that read regions: which captions it has, which pictures they are shown with, and
// what of both is masked. A step's pairs are a function of (seed, step) alone, so that any number of threads, ranks or
// micro-batches sees the same ones.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "data/quarantine.h"
#include "data/sampler.h"
#include "data/samples.h"
#include "data/text/masking.h"
#include "models/parts/readable_regions.h"

namespace tessera {

struct RegionMasking {
  double word_rate = 0.15;
  // Whole words up to a budget, the annotated ones before all others with chance `content_first`; otherwise each piece
  // by itself, as published (data/text/masking.h).
  bool whole_words = false;
  double content_first = 0;
  double region_rate = 0.15;  // each region by itself
  double region_shown = 0;    // share of the masked regions that are to be told although they are seen
  bool at_least_one = true;   // of each that is masked at all; the regions: one drawn from all
  // Whether what is masked is to be told also where the picture is not the caption's own. It is masked in any case:
  // otherwise a mask would tell that the two belong together.
  bool false_pairs = true;
};

// The samples are captions.
struct RegionCollatorOptions : SamplerOptions {
  int64_t accumulate = 1;  // micro-batches that a step, or a rank's share of it, is cut into
  RegionMasking masking;
  double false_share = 0.5;      // chance that a caption is shown with a picture which is not its own ...
  double sibling_negatives = 0;  // ... and that this is then the annotated sibling
  std::string curriculum_group;  // of which the curriculum's captions are
};

struct RegionPair {
  int64_t caption = 0, image = 0;
  bool matched = true;
  TextSample text;
  Masking words;                // empty where none are to be masked
  bool told = true;             // whether what is masked counts
  std::vector<int64_t> masked;  // regions to be told, ascending
  std::vector<int64_t> hidden;  // those of them that the model does not see, ascending
  Regions regions;              // of `image`, at least one
};

// A text with a picture of some source, for evaluation.
struct RegionQuestion {
  std::vector<int64_t> ids;  // [CLS] … [SEP]
  int64_t image = 0;
  std::vector<int64_t> places = {};  // of the ids that are to be told
};

// The rows of all places in texts that lie packed, text i from marks[i] on.
std::vector<int64_t> rows_of_places(std::span<const RegionQuestion> questions, const std::vector<int64_t>& marks);
// Adds to `out` for each question as many of `ids` as it has places, in order.
void append_by_question(std::span<const RegionQuestion> questions, const std::vector<int64_t>& ids,
                        std::vector<std::vector<int64_t>>& out);
// "sentences 3, 17": the pairs of micro-batches with `sample_ids`.
template <class Batch>
std::string named_sentences(std::span<const Batch> step) {
  std::string out;
  for (const Batch& batch : step)
    for (const int64_t id : batch.sample_ids) out += (out.empty() ? "sentences " : ", ") + std::to_string(id);
  return out;
}

class RegionCollator {
 public:
  // What the pairs of a step are wanted for.
  struct Wanted {
    bool false_pictures = false, masked_words = false, masked_regions = false;
  };

  // `channels` and `classes` are the model's. What is given must outlive the collator.
  RegionCollator(const SampleSource& source, RegionLookup lookup, int64_t channels, int64_t classes,
                 const RegionCollatorOptions& options, Quarantine& quarantine, Share share = {});

  const SampleSource& source() const { return source_; }
  const RegionCollatorOptions& options() const { return options_; }
  // This rank's pairs of step `step`, counted from 0. Thread-safe.
  std::vector<RegionPair> step(int64_t step, Wanted wanted) const;
  // How many pairs a micro-batch has.
  int64_t micro_batch() const { return sampler_.slots() / options_.accumulate; }
  // The regions of picture `image` of any source; an error begins with the picture's name.
  ReadableRegions regions(const SampleSource& source, int64_t image) const;
  // How the data served, for Task::remarks.
  std::string remarks() const;

 private:
  class StepRegions;

  int64_t usable_caption(int64_t caption, int64_t step, int64_t slot, StepRegions& regions) const;
  void choose_picture(RegionPair& pair, int64_t step, int64_t slot, StepRegions& regions) const;
  void mask_words_of(RegionPair& pair, int64_t step, int64_t slot) const;
  void mask_regions_of(RegionPair& pair, int64_t step, int64_t slot) const;

  const SampleSource& source_;
  RegionLookup lookup_;
  int64_t channels_, classes_;
  RegionCollatorOptions options_;
  Quarantine& quarantine_;
  Sampler sampler_;
};

}  // namespace tessera
