#include "data/boxes/nms.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace tessera {
namespace {

// The rows that have a score, the best first.
std::vector<int64_t> by_score(std::span<const double> scores) {
  std::vector<int64_t> order;
  for (size_t i = 0; i < scores.size(); ++i)
    if (!std::isnan(scores[i])) order.push_back(static_cast<int64_t>(i));
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return scores[static_cast<size_t>(a)] > scores[static_cast<size_t>(b)];
  });
  return order;
}

// Of the rows `order` those that stay, in that order.
std::vector<int64_t> greedy(const Boxes& boxes, const std::vector<int64_t>& order, double threshold, BoxEnds ends) {
  const auto count = static_cast<Eigen::Index>(order.size());
  Boxes ranked(count, 4);
  for (Eigen::Index i = 0; i < count; ++i) ranked.row(i) = boxes.row(order[static_cast<size_t>(i)]);
  const Eigen::ArrayXd area = areas(ranked, ends);
  const double more = ends == BoxEnds::behind_pixel ? 1 : 0;
  std::vector<int64_t> kept;
  std::vector<char> removed(order.size(), 0);
  for (Eigen::Index i = 0; i < count; ++i) {
    if (removed[static_cast<size_t>(i)]) continue;
    kept.push_back(order[static_cast<size_t>(i)]);
    for (Eigen::Index j = i + 1; j < count; ++j) {
      const double width = std::min(ranked(i, 2), ranked(j, 2)) - std::max(ranked(i, 0), ranked(j, 0)) + more;
      const double height = std::min(ranked(i, 3), ranked(j, 3)) - std::max(ranked(i, 1), ranked(j, 1)) + more;
      if (width <= 0 || height <= 0) continue;
      const double common = width * height;
      if (common / (area(i) + area(j) - common) > threshold) removed[static_cast<size_t>(j)] = 1;
    }
  }
  return kept;
}

void check_scores(const Boxes& boxes, std::span<const double> scores, double threshold) {
  check(static_cast<size_t>(boxes.rows()) == scores.size(), "nms: ", boxes.rows(), " boxes, ", scores.size(),
        " scores");
  check(threshold >= 0, "nms: threshold is ", threshold, ", expected at least 0");
}

}  // namespace

std::vector<int64_t> suppressed(const Boxes& boxes, std::span<const double> scores, double threshold, BoxEnds ends) {
  check_scores(boxes, scores, threshold);
  return greedy(boxes, by_score(scores), threshold, ends);
}

std::vector<int64_t> suppressed_by_class(const Boxes& boxes, std::span<const double> scores,
                                         std::span<const int64_t> classes, double threshold, BoxEnds ends) {
  check_scores(boxes, scores, threshold);
  check(classes.size() == scores.size(), "nms: ", scores.size(), " scores, ", classes.size(), " classes");
  const std::vector<int64_t> order = by_score(scores);
  std::map<int64_t, std::vector<int64_t>> of_class;
  for (const int64_t i : order) of_class[classes[static_cast<size_t>(i)]].push_back(i);
  std::vector<char> stays(scores.size(), 0);
  for (const auto& [label, rows] : of_class)
    for (const int64_t i : greedy(boxes, rows, threshold, ends)) stays[static_cast<size_t>(i)] = 1;
  std::vector<int64_t> kept;
  for (const int64_t i : order)
    if (stays[static_cast<size_t>(i)]) kept.push_back(i);
  return kept;
}

}  // namespace tessera
