// Every picture with every text, or with those that are chosen for it: N × M pairs, by the thousand or the hundred
// million.
//
// The matrix is cut into tiles, so many pictures by so many texts, whose rows (vilt/ranking/pair_scorer.h) are in
// memory together: at most 64 pictures and 16,384 text tokens, whatever N and M are. A picture is opened once; a text
// is embedded again for every 64 pictures, which costs a ten-thousandth of their pairs. In a tile the pairs of a
// picture follow one another by the length of the text, and are cut into batches. Tiles and batches follow from the
// task alone, not from threads or from what is scored already: so the same bits come out wherever the work is cut.
//
// On the CPU each thread has a batch of its own, whose tensors stay in its cache; what is left over at the end of a
// tile is computed by all threads together.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "vilt/ranking/pair_scorer.h"

namespace tessera {

struct RankingTask {
  int64_t pictures = 0;
  std::function<std::shared_ptr<const PatchedImage>(int64_t picture)> picture;  // is called by several threads
  std::vector<std::vector<int64_t>> texts;                                      // ids with [CLS] and [SEP]
  std::vector<std::vector<int64_t>> chosen;  // of each picture the texts it is scored with, ascending; empty: all

  int64_t pairs() const;
};

struct RankingProgress {
  int64_t done = 0, of = 0;  // pairs; the first call tells what was scored before
  // By the tokens that are left, from the second batch of every thread on: the first finds the weights not yet packed.
  std::optional<double> seconds_left;
};

struct RankingOptions {
  // What is scored already of a picture's row: NaN where it is not. Empty: nothing is.
  std::function<std::vector<float>(int64_t picture)> known;
  // One call at a time, as of `stop`, which is asked after each batch: true ends the work there.
  std::function<void(const RankingProgress&)> progress;
  std::function<bool()> stop;
};

// Is given each batch, one call at a time, in any order.
using PairsScored = std::function<void(std::span<const Pair> pairs, std::span<const double> scores)>;

// False if it was stopped.
bool rank_pairs(const PairScorer& scorer, const RankingTask& task, const PairsScored& scored,
                const RankingOptions& options = {});

}  // namespace tessera
