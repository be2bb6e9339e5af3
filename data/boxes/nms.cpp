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

// Whether the intersection over union of rows i and j is above the threshold; the same of j and i.
bool overlap(const Boxes& boxes, const Eigen::ArrayXd& area, Eigen::Index i, Eigen::Index j, double threshold,
             double more) {
  const double width = std::min(boxes(i, 2), boxes(j, 2)) - std::max(boxes(i, 0), boxes(j, 0)) + more;
  const double height = std::min(boxes(i, 3), boxes(j, 3)) - std::max(boxes(i, 1), boxes(j, 1)) + more;
  if (width <= 0 || height <= 0) return false;
  const double common = width * height;
  return common / (area(i) + area(j) - common) > threshold;
}

double beyond_corner(BoxEnds ends) { return ends == BoxEnds::behind_pixel ? 1 : 0; }

// Of the rows `order` those that stay, in that order.
std::vector<int64_t> greedy(const Boxes& boxes, const std::vector<int64_t>& order, double threshold, BoxEnds ends) {
  const auto count = static_cast<Eigen::Index>(order.size());
  Boxes ranked(count, 4);
  for (Eigen::Index i = 0; i < count; ++i) ranked.row(i) = boxes.row(order[static_cast<size_t>(i)]);
  const Eigen::ArrayXd area = areas(ranked, ends);
  const double more = beyond_corner(ends);
  std::vector<int64_t> kept;
  std::vector<char> removed(order.size(), 0);
  for (Eigen::Index i = 0; i < count; ++i) {
    if (removed[static_cast<size_t>(i)]) continue;
    kept.push_back(order[static_cast<size_t>(i)]);
    for (Eigen::Index j = i + 1; j < count; ++j) {
      if (overlap(ranked, area, i, j, threshold, more)) removed[static_cast<size_t>(j)] = 1;
    }
  }
  return kept;
}

void check_threshold(double threshold) {
  check(threshold >= 0, "nms: threshold is ", threshold, ", expected at least 0");
}

void check_scores(Eigen::Index boxes, std::span<const double> scores) {
  check(static_cast<size_t>(boxes) == scores.size(), "nms: ", boxes, " boxes, ", scores.size(), " scores");
}

}  // namespace

std::vector<int64_t> suppressed(const Boxes& boxes, std::span<const double> scores, double threshold, BoxEnds ends) {
  check_scores(boxes.rows(), scores);
  check_threshold(threshold);
  return greedy(boxes, by_score(scores), threshold, ends);
}

std::vector<int64_t> suppressed_by_class(const Boxes& boxes, std::span<const double> scores,
                                         std::span<const int64_t> classes, double threshold, BoxEnds ends) {
  check_scores(boxes.rows(), scores);
  check_threshold(threshold);
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

SharedSuppression::SharedSuppression(const Boxes& boxes, double threshold, BoxEnds ends)
    : count_(static_cast<size_t>(boxes.rows())), words_((count_ + 63) / 64), overlaps_(count_ * words_, 0) {
  check_threshold(threshold);
  const Eigen::ArrayXd area = areas(boxes, ends);
  const double more = beyond_corner(ends);
  for (size_t i = 0; i < count_; ++i)
    for (size_t j = i + 1; j < count_; ++j)
      if (overlap(boxes, area, static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j), threshold, more)) {
        overlaps_[i * words_ + j / 64] |= uint64_t{1} << j % 64;
        overlaps_[j * words_ + i / 64] |= uint64_t{1} << i % 64;
      }
}

std::vector<int64_t> SharedSuppression::operator()(std::span<const double> scores) const {
  check_scores(static_cast<Eigen::Index>(count_), scores);
  std::vector<uint64_t> removed(words_, 0);
  std::vector<int64_t> kept;
  for (const int64_t row : by_score(scores)) {
    const auto i = static_cast<size_t>(row);
    if (removed[i / 64] >> i % 64 & 1) continue;
    kept.push_back(row);
    for (size_t word = 0; word < words_; ++word) removed[word] |= overlaps_[i * words_ + word];
  }
  return kept;
}

}  // namespace tessera
