#include "data/boxes/average_precision.h"

#include <algorithm>
#include <cmath>

namespace tessera {
namespace {

constexpr int kRecalls = 101;

}  // namespace

void AveragePrecision::add(const Boxes& found, std::span<const double> scores, std::span<const int64_t> found_labels,
                           const Boxes& truth, std::span<const int64_t> labels) {
  check(static_cast<size_t>(found.rows()) == scores.size() && scores.size() == found_labels.size(),
        "average precision: ", found.rows(), " boxes, ", scores.size(), " scores and ", found_labels.size(), " labels");
  check(static_cast<size_t>(truth.rows()) == labels.size(), "average precision: ", truth.rows(), " true boxes and ",
        labels.size(), " labels");
  for (const int64_t label : labels) ++classes_[label].truths;
  std::vector<size_t> order;
  for (size_t i = 0; i < scores.size(); ++i)
    if (!std::isnan(scores[i])) order.push_back(i);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return scores[a] > scores[b]; });
  const Eigen::ArrayXXd overlap = intersection_over_union(truth, found);
  std::vector<char> taken(labels.size(), 0);
  for (const size_t i : order) {
    std::optional<size_t> best;
    for (size_t t = 0; t < labels.size(); ++t) {
      if (labels[t] != found_labels[i] || taken[t] != 0) continue;
      const auto column = static_cast<Eigen::Index>(i);
      const double value = overlap(static_cast<Eigen::Index>(t), column);
      if (value >= overlap_ && (!best || value > overlap(static_cast<Eigen::Index>(*best), column))) best = t;
    }
    if (best) taken[*best] = 1;
    classes_[found_labels[i]].found.push_back({scores[i], best.has_value()});
  }
}

std::map<int64_t, AveragePrecision::OfClass> AveragePrecision::by_class() const {
  std::map<int64_t, OfClass> out;
  for (const auto& [label, of] : classes_) {
    OfClass& result = out[label];
    result.truths = of.truths;
    result.found = static_cast<int64_t>(of.found.size());
    if (of.truths == 0) continue;
    std::vector<Found> found = of.found;
    std::stable_sort(found.begin(), found.end(), [](const Found& a, const Found& b) { return a.score > b.score; });
    std::vector<double> precision, recall;
    double right = 0;
    for (const Found& each : found) {
      right += each.right ? 1 : 0;
      precision.push_back(right / static_cast<double>(precision.size() + 1));
      recall.push_back(right / static_cast<double>(of.truths));
    }
    for (size_t i = precision.size(); i-- > 1;) precision[i - 1] = std::max(precision[i - 1], precision[i]);
    double sum = 0;
    for (int i = 0; i < kRecalls; ++i) {
      const auto at = std::lower_bound(recall.begin(), recall.end(), i / static_cast<double>(kRecalls - 1));
      if (at != recall.end()) sum += precision[static_cast<size_t>(at - recall.begin())];
    }
    result.value = sum / kRecalls;
  }
  return out;
}

std::optional<double> AveragePrecision::mean() const {
  double sum = 0;
  int64_t count = 0;
  for (const auto& [label, of] : by_class())
    if (of.truths > 0) {
      sum += of.value;
      ++count;
    }
  if (count == 0) return std::nullopt;
  return sum / static_cast<double>(count);
}

}  // namespace tessera
