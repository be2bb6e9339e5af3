// Recall at 1, 5 and 10 of texts for a picture and of pictures for a text, median and mean ranks, by the scores of all
// pairs or of a shortlist; equal scores count as wrong unless a rule for ties says otherwise. With annotations also
// what such figures are worth (train/evaluation/annotated_recalls.h).
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "data/tasks/retrieval_metrics.h"
#include "data/usable_pictures.h"
#include "vilt/ranking/ranking.h"
#include "vilt/ranking/score_file.h"
#include "vilt/tasks/downstream_files.h"
#include "vilt/tasks/summary.h"

namespace tessera {

// What was ranked, for who wants to know more of it than figures. Pictures and texts are counted as they were ranked.
struct RankedPairs {
  std::span<const int64_t> images, texts;  // their numbers in the source
  std::span<const int64_t> image_of_text;  // place in `images`
  const RetrievalStandings& standings;
  ScoreRow scores_of_image, scores_of_text;  // of one with all texts, of one with all pictures
};

struct RetrievalOptions {
  int64_t limit = 0;      // pictures, evenly spread, with their texts; 0: all
  bool controls = false;  // what annotations say
  // Of the source's pictures: those that cannot be decoded are in no row, and their texts in no column. Null: one is an
  // error.
  UsablePictures* usable = nullptr;
  ForwardContext context;
  TieRule ties = TieRule::pessimistic;
  int64_t folds = 0;  // besides, the mean recalls of so many parts of neighbouring pictures; 0: none
  // Only the `shortlist` best texts of each picture and the best pictures of each text are scored, by the first stage's
  // scores: a file as vilt/ranking/score_file.h has it. What is not scored stands behind all that is. 0: all pairs are.
  int64_t shortlist = 0;
  std::filesystem::path first_stage;
  // Where the scores go, to go on there; empty: they stay in memory. The identity is what only the caller knows: the
  // weights, how pictures are prepared.
  std::filesystem::path scores;
  ScoreFile::There scores_there = ScoreFile::There::keep;
  ScoreFile::Identity identity;
  std::string image_folder;                        // from where on the pictures' names count
  std::function<void(const RankedPairs&)> ranked;  // is told once, at the end
  std::function<void(const RankingProgress&)> progress;
  std::function<bool()> stop;
};

// Nothing if it was stopped. `source` is of part.set(…).
std::optional<NamedFigures> evaluate_retrieval(const ViltWithHeads& model, const DownstreamSource& source,
                                               const DownstreamPart& part, const RetrievalOptions& options);

}  // namespace tessera
