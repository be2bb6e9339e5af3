#include "data/tasks/retrieval_metrics.h"

#include <algorithm>
#include <cmath>

#include "tensor/error.h"

namespace tessera {
namespace {

// `place(c)`: the query and candidate c, for a message.
template <class IsRight, class Place>
Standing standing_of(std::span<const double> scores, const IsRight& is_right, const Place& place) {
  Standing standing;
  double best = 0;
  bool found = false;
  for (size_t c = 0; c < scores.size(); ++c) {
    if (std::isnan(scores[c])) fail("retrieval: the score of ", place(c), " is NaN");
    if (is_right(c) && (!found || scores[c] > best)) {
      best = scores[c];
      found = true;
    }
  }
  if (!found) return standing;
  for (size_t c = 0; c < scores.size(); ++c) {
    standing.greater += scores[c] > best;
    if (scores[c] != best) continue;
    ++standing.tied;
    if (is_right(c)) {
      ++standing.tied_right;
      standing.behind = 0;
    } else {
      ++(standing.tied_right == 0 ? standing.before : standing.behind);
    }
  }
  return standing;
}

std::string pair_name(int64_t image, size_t t) { return text("image ", image, " and text ", t); }

void check_owners(int64_t images, std::span<const int64_t> image_of_text) {
  for (size_t t = 0; t < image_of_text.size(); ++t)
    check(image_of_text[t] >= 0 && image_of_text[t] < images, "retrieval: text ", t, " belongs to image ",
          image_of_text[t], ", expected 0 to ", images - 1);
}

std::vector<Standing> standings_of_images(int64_t images, std::span<const int64_t> image_of_text,
                                          const ScoreRow& scores_of_image,
                                          const std::function<void(int64_t, std::span<const double>)>& also) {
  std::vector<double> row(image_of_text.size());
  std::vector<Standing> standings;
  for (int64_t i = 0; i < images; ++i) {
    scores_of_image(i, row);
    standings.push_back(standing_of(
        row, [&](size_t t) { return image_of_text[t] == i; }, [&](size_t t) { return pair_name(i, t); }));
    if (also) also(i, row);
  }
  return standings;
}

// How likely at least one of `right` things is among the first `places` of `all`, in any order.
double hit_probability(int64_t all, int64_t right, int64_t places) {
  double none = 1;
  for (int64_t i = 0; i < std::min(places, all); ++i)
    none *= static_cast<double>(std::max<int64_t>(0, all - right - i)) / static_cast<double>(all - i);
  return places <= 0 ? 0 : 1 - none;
}

// From 0 on.
int64_t place_of(const Standing& standing, TieRule rule) {
  switch (rule) {
    case TieRule::pessimistic: return standing.greater + standing.tied - standing.tied_right;
    case TieRule::index: return standing.greater + standing.before;
    case TieRule::reverse: return standing.greater + standing.behind;
    default: return standing.greater;
  }
}

}  // namespace

std::string_view name(TieRule rule) {
  switch (rule) {
    case TieRule::pessimistic: return "pessimistic";
    case TieRule::optimistic: return "optimistic";
    case TieRule::index: return "index";
    case TieRule::reverse: return "reverse";
    case TieRule::expected: return "expected";
  }
  return "";
}

std::optional<int64_t> rank_of(const Standing& standing, TieRule rule) {
  if (standing.tied == 0 || rule == TieRule::expected) return {};
  return place_of(standing, rule) + 1;
}

DirectionMetrics direction_metrics(std::span<const Standing> standings, TieRule rule) {
  DirectionMetrics metrics;
  metrics.queries = static_cast<int64_t>(standings.size());
  std::vector<int64_t> ranks;
  double sum = 0;
  for (const Standing& standing : standings) {
    if (standing.tied == 0) {
      ++metrics.without_right;
      continue;
    }
    const int64_t rank = place_of(standing, rule);
    for (size_t k = 0; k < kRecallAt.size(); ++k)
      metrics.hits[k] += rule == TieRule::expected
                             ? hit_probability(standing.tied, standing.tied_right, kRecallAt[k] - standing.greater)
                             : rank < kRecallAt[k];
    ranks.push_back(rank);
    sum += static_cast<double>(rank);
  }
  if (rule == TieRule::expected || ranks.empty()) return metrics;
  std::sort(ranks.begin(), ranks.end());
  metrics.median_rank = (ranks[(ranks.size() - 1) / 2] + ranks[ranks.size() / 2]) / 2 + 1;
  metrics.mean_rank = sum / static_cast<double>(ranks.size()) + 1;
  return metrics;
}

RetrievalMetrics retrieval_metrics(const RetrievalStandings& standings, TieRule rule) {
  return {direction_metrics(standings.text_retrieval, rule), direction_metrics(standings.image_retrieval, rule)};
}

RetrievalStandings retrieval_standings(int64_t images, std::span<const int64_t> image_of_text,
                                       const ScoreRow& scores_of_image) {
  check_owners(images, image_of_text);
  RetrievalStandings standings;
  // A text has one right picture: once its score is known, the others are counted row by row.
  std::vector<double> right(image_of_text.size());
  standings.text_retrieval =
      standings_of_images(images, image_of_text, scores_of_image, [&](int64_t image, std::span<const double> row) {
        for (size_t t = 0; t < row.size(); ++t)
          if (image_of_text[t] == image) right[t] = row[t];
      });
  standings.image_retrieval.resize(image_of_text.size());
  std::vector<double> row(image_of_text.size());
  for (int64_t i = 0; i < images; ++i) {
    scores_of_image(i, row);
    for (size_t t = 0; t < row.size(); ++t) {
      Standing& standing = standings.image_retrieval[t];
      standing.greater += row[t] > right[t];
      if (row[t] != right[t]) continue;
      ++standing.tied;
      if (i == image_of_text[t])
        standing.tied_right = 1;
      else
        ++(i < image_of_text[t] ? standing.before : standing.behind);
    }
  }
  return standings;
}

RetrievalStandings retrieval_standings(int64_t images, std::span<const int64_t> image_of_text,
                                       const ScoreRow& scores_of_image, const ScoreRow& scores_of_text) {
  check_owners(images, image_of_text);
  RetrievalStandings standings{standings_of_images(images, image_of_text, scores_of_image, {}), {}};
  std::vector<double> row(static_cast<size_t>(images));
  for (size_t t = 0; t < image_of_text.size(); ++t) {
    scores_of_text(static_cast<int64_t>(t), row);
    standings.image_retrieval.push_back(standing_of(
        row, [&](size_t i) { return static_cast<int64_t>(i) == image_of_text[t]; },
        [&](size_t i) { return pair_name(static_cast<int64_t>(i), t); }));
  }
  return standings;
}

std::vector<RetrievalStandings> fold_standings(int64_t images, std::span<const int64_t> image_of_text,
                                               const ScoreRow& scores_of_image, int64_t folds) {
  check(folds > 0 && images >= folds, "retrieval: ", images, " images in ", folds,
        " folds, expected one or more in each");
  check_owners(images, image_of_text);
  const int64_t per = images / folds;
  std::vector<double> whole(image_of_text.size());
  std::vector<RetrievalStandings> out;
  for (int64_t fold = 0; fold < folds; ++fold) {
    std::vector<size_t> texts;
    std::vector<int64_t> owners;
    for (size_t t = 0; t < image_of_text.size(); ++t)
      if (image_of_text[t] / per == fold) {
        texts.push_back(t);
        owners.push_back(image_of_text[t] % per);
      }
    out.push_back(retrieval_standings(per, owners, [&](int64_t image, std::span<double> row) {
      scores_of_image(fold * per + image, whole);
      for (size_t t = 0; t < texts.size(); ++t) row[t] = whole[texts[t]];
    }));
  }
  return out;
}

MeanRecalls mean_recalls(std::span<const RetrievalMetrics> folds) {
  MeanRecalls means;
  for (const RetrievalMetrics& fold : folds)
    for (size_t k = 0; k < kRecallAt.size(); ++k) {
      means.text_retrieval[k] += fold.text_retrieval.recall(k) / static_cast<double>(folds.size());
      means.image_retrieval[k] += fold.image_retrieval.recall(k) / static_cast<double>(folds.size());
    }
  return means;
}

}  // namespace tessera
