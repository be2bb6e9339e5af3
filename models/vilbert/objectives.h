// ViLBERT's pre-training losses, all at once on the same pairs: words and regions are masked on both sides, and some
// captions are shown with a picture which is not theirs.
//
//   mlm    masked words: Σ cross-entropy / masked words
//   mrm    masked regions: Σ KL(detector, model) / masked regions
//   match  pairs: Σ cross-entropy / pairs; class 0: they belong together, as BERT's "is next"
//
// All counts are of the whole step, so that micro-batches and ranks are invisible.
#pragma once

#include <span>
#include <string>

#include "models/parts/region_collator.h"
#include "models/vilbert/heads.h"
#include "train/figures.h"

namespace tessera {

struct VilbertWeights {
  double mlm = 1, mrm = 1, match = 1;  // 0 switches a loss off
  // Throws where a weight is impossible, or all are 0.
  void validate() const;
};

// A micro-batch of a step; index tensors are i64.
struct VilbertTaskBatch {
  VilbertTexts texts;
  VilbertPictures pictures;
  Tensor word_rows, word_labels;      // [masked words]: rows of the text's stream and the ids there
  Tensor region_rows, distributions;  // [masked regions] of the pictures' stream; [masked regions, v_target_size]
  Tensor match;                       // [pairs]: 0 where they belong together, 1 elsewhere
  std::vector<int64_t> sample_ids;

  static VilbertTaskBatch of(std::span<const RegionPair> pairs, const SampleSource& source,
                             const VilbertConfig& config);
};

FigureTable vilbert_figures(const VilbertWeights& weights);
// masked words, masked regions, pairs
std::vector<int64_t> vilbert_divisors(const VilbertTaskBatch& batch);
Losses vilbert_task_losses(const VilbertPretraining& model, const VilbertTaskBatch& batch,
                           const VilbertWeights& weights, std::span<const int64_t> divisors,
                           const ForwardContext& context);

// Whether a loss with a weight reaches a parameter (names in memory).
bool vilbert_reaches(const std::string& parameter, const VilbertWeights& weights);

}  // namespace tessera
