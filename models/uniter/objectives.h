// UNITER's pre-training tasks. A step has one of them, drawn by its share in the mix; only one side of its pairs is
// masked ("conditional masking"): words with all regions seen, or regions with all words seen.
//
//   mlm   masked words: Σ cross-entropy / masked words
//   mrfr  features of masked regions: Σ (difference)² / (masked regions · channels)
//   mrc   their classes: Σ cross-entropy with the detector's likeliest but background / masked regions
//   mrckl the detector's distributions: Σ KL(detector, model) / (masked regions · classes)
//   itm   pairs: Σ cross-entropy / pairs + wra_weight · (Σ_true distance - Σ_false distance) / pairs, the distance
//   being
//         the optimal transport between words and regions (wra)
//
// All counts are of the whole step, so that micro-batches and ranks are invisible.
#pragma once

#include <array>
#include <span>
#include <string>

#include "models/parts/region_collator.h"
#include "models/uniter/heads.h"
#include "train/figures.h"

namespace tessera {

enum class UniterObjective : uint8_t { mlm, itm, mrfr, mrc, mrckl };
inline constexpr std::array<const char*, 5> kUniterObjectives{"mlm", "itm", "mrfr", "mrc", "mrckl"};

struct UniterMix {
  // How often each task is drawn, relative to the others, in the order of UniterObjective; the published mix for data
  // of one kind.
  std::array<double, 5> shares{2, 2, 1, 0, 1};
  double wra_weight = 0.1;
  double ipot_beta = 0.5;
  int64_t ipot_iterations = 50;

  double of(UniterObjective objective) const { return shares[static_cast<size_t>(objective)]; }
  bool has_masked_regions() const {
    return of(UniterObjective::mrfr) + of(UniterObjective::mrc) + of(UniterObjective::mrckl) > 0;
  }
  // Throws where a share or setting is impossible, or no task has a share.
  void validate() const;
  // The heads that these tasks need.
  UniterHeads heads() const;
  // The task of a step, counted from 0: a function of (seed, step) alone.
  UniterObjective drawn(uint64_t seed, int64_t step) const;
};

// A micro-batch of a step; index tensors are i64.
struct UniterTaskBatch {
  UniterObjective objective = UniterObjective::mlm;
  UniterBatch packed;
  Tensor masked_rows, masked_labels;  // mlm: rows of the states and the ids there
  Tensor features, distributions;     // of masked regions, packed.masked_rows: what is to be told
  Tensor pair_labels;                 // itm: [sequences], 1 = true
  std::vector<int64_t> sample_ids;

  int64_t masked_words() const { return masked_rows.defined() ? masked_rows.numel() : 0; }
  int64_t masked_regions() const { return features.defined() ? features.size(0) : 0; }
  int64_t pairs() const { return pair_labels.defined() ? pair_labels.numel() : 0; }

  static UniterTaskBatch of(UniterObjective objective, std::span<const RegionPair> pairs, const SampleSource& source,
                            const UniterConfig& config);
};

// The text of a pair with the regions of its picture.
UniterSample uniter_sample(const std::vector<int64_t>& ids, const Regions& regions, std::vector<int64_t> masked = {});

FigureTable uniter_figures(const UniterMix& mix);
// masked words, masked regions, pairs
std::vector<int64_t> uniter_divisors(const UniterTaskBatch& batch);
Losses uniter_losses(const UniterWithHeads& model, const UniterTaskBatch& batch, const UniterMix& mix,
                     std::span<const int64_t> divisors, const ForwardContext& context);

// Whether some task of the mix reaches a parameter (published names). The row of the mask embedding, the pooler and the
// projection's other use are reached by some alone.
bool uniter_reaches(const std::string& parameter, const UniterMix& mix);

}  // namespace tessera
