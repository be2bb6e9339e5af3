#include "models/regions/selection.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "data/boxes/nms.h"

namespace tessera {
namespace {

// x1, y1, x2, y2, width, height as fractions.
Places fractions(const Boxes& boxes, double height, double width) {
  check(height > 0 && width > 0, "regions: a picture of ", height, " x ", width);
  Places out(boxes.rows(), 6);
  if (boxes.rows() == 0) return out;
  for (int k = 0; k < 4; ++k) out.col(k) = boxes.col(k) / (k % 2 == 0 ? width : height);
  out.col(4) = (boxes.col(2) - boxes.col(0)) / width;
  out.col(5) = (boxes.col(3) - boxes.col(1)) / height;
  return out;
}

std::vector<double> column(const Probabilities& probabilities, Eigen::Index label) {
  std::vector<double> out(static_cast<size_t>(probabilities.rows()));
  for (size_t i = 0; i < out.size(); ++i) out[i] = probabilities(static_cast<Eigen::Index>(i), label);
  return out;
}

// The likeliest class but background; what is not a number is none.
int64_t likeliest(const Probabilities& probabilities, Eigen::Index row) {
  Eigen::Index best = 1;
  for (Eigen::Index label = 2; label < probabilities.cols(); ++label)
    if (std::isnan(probabilities(row, best)) || probabilities(row, label) > probabilities(row, best)) best = label;
  return best - 1;
}

}  // namespace

SelectedRegions select_regions(const Boxes& boxes, const Probabilities& probabilities, const SelectionRule& rule) {
  check(probabilities.rows() == boxes.rows() && probabilities.cols() >= 2, "regions: probabilities are [",
        probabilities.rows(), ", ", probabilities.cols(), "], expected [", boxes.rows(),
        ", the background and at least one class]");
  check(rule.least >= 0 && rule.least <= rule.most, "regions: from ", rule.least, " to ", rule.most,
        " regions, expected an interval from 0 on");
  SelectedRegions out;
  out.confidences.assign(static_cast<size_t>(boxes.rows()), 0.0);
  const SharedSuppression suppressed(boxes, rule.nms, rule.ends);
  for (Eigen::Index label = 1; label < probabilities.cols(); ++label) {
    const std::vector<double> scores = column(probabilities, label);
    for (const int64_t row : suppressed(scores)) {
      double& confidence = out.confidences[static_cast<size_t>(row)];
      confidence = std::max(confidence, scores[static_cast<size_t>(row)]);
    }
  }
  for (size_t i = 0; i < out.confidences.size(); ++i)
    if (out.confidences[i] >= rule.confidence) out.rows.push_back(static_cast<int64_t>(i));
  const auto chosen = static_cast<int64_t>(out.rows.size());
  if (chosen < rule.least || chosen > rule.most) {
    // As the published code sorts, numpy's argsort backwards: of equal ones the last comes first.
    std::vector<int64_t> order(out.confidences.size());
    std::iota(order.rbegin(), order.rend(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
      return out.confidences[static_cast<size_t>(a)] > out.confidences[static_cast<size_t>(b)];
    });
    order.resize(std::min(order.size(), static_cast<size_t>(chosen < rule.least ? rule.least : rule.most)));
    out.rows = order;
  }
  for (const int64_t row : out.rows) out.objects.push_back(likeliest(probabilities, row));
  return out;
}

int64_t kept_by_confidence(const SelectedRegions& regions, const SelectionRule& rule) {
  const auto above = std::count_if(regions.confidences.begin(), regions.confidences.end(),
                                   [&](double confidence) { return confidence > rule.confidence; });
  return std::min(rule.most, std::max(rule.least, static_cast<int64_t>(above)));
}

Places places_of_seven(const Boxes& boxes, double height, double width) {
  const Places six = fractions(boxes, height, width);
  Places out(boxes.rows(), 7);
  if (boxes.rows() == 0) return out;
  out.leftCols(6) = six;
  out.col(6) = six.col(4) * six.col(5);
  return out;
}

Places places_of_five(const Boxes& boxes, double height, double width) {
  const Places six = fractions(boxes, height, width);
  Places out(boxes.rows() + 1, 5);
  out.row(0) << 0, 0, 1, 1, 1;
  if (boxes.rows() == 0) return out;
  out.bottomRows(boxes.rows()).leftCols(4) = six.leftCols(4);
  out.col(4).tail(boxes.rows()) = six.col(4) * six.col(5);
  return out;
}

}  // namespace tessera
