// How well scores of pictures and texts find the right ones: recall at 1, 5 and 10, median and mean rank, both ways.
//
// A text belongs to one picture, a picture to any number of texts. Of a query what counts is its best right candidate;
// its rank, from 1 on, is one more than the number of candidates before it. Where scores are equal, the rule decides:
// published programs leave it to a sort that promises nothing, and a model whose scores are all equal then has any
// recall from chance (index) to 100 % (optimistic). A query without a right candidate counts as a miss, and not in the
// ranks. With fewer than k candidates R@k is that of them all.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace tessera {

enum class TieRule : uint8_t {
  pessimistic,  // the wrong ones first: what can be claimed whatever the order
  optimistic,   // a right one first
  index,        // the lower index first (a stable descending sort)
  reverse,      // the higher index first (such an ascending sort, reversed)
  expected,     // the mean over all orders; hits are fractions, and there are no ranks
};
inline constexpr TieRule kTieRules[] = {TieRule::pessimistic, TieRule::optimistic, TieRule::index, TieRule::reverse,
                                        TieRule::expected};
std::string_view name(TieRule rule);

// Where a query's best right candidate stands among the others.
struct Standing {
  int64_t greater = 0;     // candidates with a higher score
  int64_t tied = 0;        // with the same one, itself among them; 0: there is no right candidate
  int64_t tied_right = 0;  // right ones of these
  int64_t before = 0;      // tied ones of a lower index than every right one
  int64_t behind = 0;      // tied ones of a higher index than every right one
};

// From 1 on. Nothing where there is no right candidate, and by the rule `expected`.
std::optional<int64_t> rank_of(const Standing& standing, TieRule rule = TieRule::pessimistic);

inline constexpr std::array<int64_t, 3> kRecallAt = {1, 5, 10};

struct DirectionMetrics {
  int64_t queries = 0;
  int64_t without_right = 0;     // queries that have no right candidate
  std::array<double, 3> hits{};  // queries with a right one among the first 1, 5, 10
  // Nothing by the rule `expected`, and where no query has a right candidate.
  std::optional<int64_t> median_rank;  // of an even number the mean of the middle two, rounded down
  std::optional<double> mean_rank;

  double recall(size_t k) const {
    return queries == 0 ? 0 : hits[k] / static_cast<double>(queries);
  }  // k: of kRecallAt
};
DirectionMetrics direction_metrics(std::span<const Standing> standings, TieRule rule = TieRule::pessimistic);

struct RetrievalStandings {
  std::vector<Standing> text_retrieval;   // of each picture among the texts ("TR")
  std::vector<Standing> image_retrieval;  // of each text among the pictures ("IR")
};
struct RetrievalMetrics {
  DirectionMetrics text_retrieval, image_retrieval;
};
RetrievalMetrics retrieval_metrics(const RetrievalStandings& standings, TieRule rule = TieRule::pessimistic);

// Writes the scores of one query with all candidates.
using ScoreRow = std::function<void(int64_t query, std::span<double> scores)>;

// From the scores of pairs, a row for each picture; image_of_text[t] is the picture that text t belongs to. Rows are
// asked for twice, in order, and one is in memory at a time: the matrix may lie in a file. NaN is an error.
RetrievalStandings retrieval_standings(int64_t images, std::span<const int64_t> image_of_text,
                                       const ScoreRow& scores_of_image);
// From scores of its own for each direction, as a cascade gives them.
RetrievalStandings retrieval_standings(int64_t images, std::span<const int64_t> image_of_text,
                                       const ScoreRow& scores_of_image, const ScoreRow& scores_of_text);

// Of folds of equally many neighbouring pictures with their texts (COCO 1K: 5 folds of 1,000 of the 5,000 pictures).
// Fewer pictures than folds that are left over at the end are in none.
std::vector<RetrievalStandings> fold_standings(int64_t images, std::span<const int64_t> image_of_text,
                                               const ScoreRow& scores_of_image, int64_t folds);

struct MeanRecalls {
  std::array<double, 3> text_retrieval{}, image_retrieval{};
};
MeanRecalls mean_recalls(std::span<const RetrievalMetrics> folds);

}  // namespace tessera
