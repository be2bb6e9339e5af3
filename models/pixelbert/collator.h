// Makes the batches of Pixel-BERT's pre-training: which words are masked, which picture a text is matched with, which
// cells of a grid are seen. A step's batch is a function of (seed, step) alone.
#pragma once

#include <optional>
#include <vector>

#include "data/quarantine.h"
#include "data/sampler.h"
#include "data/samples.h"
#include "data/step_images.h"
#include "data/text/masking.h"
#include "models/pixelbert/picture_groups.h"

namespace tessera {

// One micro-batch: sequences of a text and cells. First the masked texts with their own pictures, then the texts that
// are matched; a picture that several sequences use is there once.
struct PixelBertBatch {
  std::vector<Tensor> pictures;                // f32 [n, 3, height, width], those of one size together
  std::vector<std::vector<int64_t>> texts;     // of each sequence
  std::vector<CellRange> ranges;               // of each sequence its picture's cells; a table is one of `pictures`
  std::vector<std::vector<int64_t>> selected;  // of each sequence the cells that are seen, ascending
  Tensor masked_rows, masked_labels;           // i64: rows of the packed tokens, and the words that stood there
  Tensor pair_sequences, pair_labels;          // i64: which sequences are to be matched; 1: they belong together
  std::vector<int64_t> sample_ids;

  int64_t masked() const { return masked_rows.numel(); }
  int64_t pairs() const { return pair_sequences.numel(); }
};

struct PixelBertBatches {
  int64_t batch_size = 32;  // captions per step, of all ranks together: the sampler's
  uint64_t seed = 0;
  int64_t accumulate = 1;                  // micro-batches that a step is cut into
  int64_t sampled_cells = 100;             // of a grid, drawn anew for each sequence; 0, or more than there are: all
  bool masked_words = true, pairs = true;  // which sequences a step has
  bool rand_augment = false;
  MaskingOptions masking;
  double sibling_negatives = 0;        // share of false pictures that are the annotated sibling's
  bool false_images_in_batch = false;  // other false pictures: from the step's own pictures, or from the whole data set
};

// `most` of `cells` (0: all), ascending.
std::vector<int64_t> sample_cells(int64_t cells, int64_t most, Random& random);

class PixelBertCollator {
 public:
  // What is referred to must outlive the collator. `sampler`: which captions a step has.
  PixelBertCollator(const PairSource& source, const Sampler& sampler, const PixelBertConfig& config,
                    const PixelBertBatches& options, Quarantine& quarantine);

  // The micro-batches of step `step`, counted from 0. Thread-safe.
  std::vector<PixelBertBatch> step(int64_t step) const;

 private:
  struct Draw {  // one caption of a step
    int64_t caption = 0, image = 0, pair_image = 0;
    bool matched = true;
    TextSample text;
    Masking masking;
  };

  Draw draw(int64_t caption, int64_t step, int64_t slot, StepImages& images) const;
  std::optional<int64_t> false_image(const std::vector<Draw>& draws, const Draw& draw, int64_t step, int64_t slot,
                                     StepImages& images) const;
  void choose_pairs(std::vector<Draw>& draws, int64_t step, StepImages& images) const;
  PixelBertBatch pack(std::span<const Draw> draws, int64_t step, int64_t first_slot, const StepImages& images) const;

  const PairSource& source_;
  const Sampler& sampler_;
  PixelBertConfig config_;
  PixelBertBatches options_;
  Quarantine& quarantine_;
};

}  // namespace tessera
