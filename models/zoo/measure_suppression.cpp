#include <algorithm>
#include <cmath>

#include "data/boxes/nms.h"
#include "models/regions/selection.h"
#include "models/zoo/measure.h"
#include "tensor/philox.h"

namespace tessera::zoo {
namespace {

constexpr double kHeight = 800, kWidth = 1333;

// As a detector proposes them: of many boxes of all sizes those that its first suppression, at 0.7, leaves.
Boxes proposals(int64_t count) {
  Random random(3);
  Boxes drawn(count * 20, 4);
  std::vector<double> scores;
  for (Eigen::Index i = 0; i < drawn.rows(); ++i) {
    const double x = random.uniform(0, kWidth), y = random.uniform(0, kHeight);
    const double width = 32 * std::exp2(random.uniform(0, 4)), height = width * std::exp2(random.uniform(-1, 1));
    drawn.row(i) << x - width / 2, y - height / 2, x + width / 2, y + height / 2;
    scores.push_back(random.uniform());
  }
  const Boxes all = clipped(drawn, kHeight, kWidth);
  const std::vector<int64_t> kept = suppressed(all, scores, 0.7);
  Boxes out(std::min(count, static_cast<int64_t>(kept.size())), 4);
  for (Eigen::Index i = 0; i < out.rows(); ++i) out.row(i) = all.row(kept[static_cast<size_t>(i)]);
  return out;
}

Probabilities class_probabilities(Eigen::Index boxes, int64_t classes) {
  Random random(4);
  Probabilities out(boxes, 1 + classes);
  for (Eigen::Index i = 0; i < boxes; ++i) {
    for (Eigen::Index k = 0; k <= classes; ++k) out(i, k) = std::exp(2 * random.normal());
    out.row(i) /= out.row(i).sum();
  }
  return out;
}

// The largest probability of each box among the classes that it survives in, by the definition.
std::vector<double> confidences_as_published(const Boxes& boxes, const Probabilities& probabilities) {
  const SelectionRule rule;
  std::vector<double> out(static_cast<size_t>(boxes.rows()), 0.0), scores(out.size());
  for (Eigen::Index label = 1; label < probabilities.cols(); ++label) {
    for (size_t i = 0; i < scores.size(); ++i) scores[i] = probabilities(static_cast<Eigen::Index>(i), label);
    for (const int64_t row : suppressed(boxes, scores, rule.nms, rule.ends)) {
      double& confidence = out[static_cast<size_t>(row)];
      confidence = std::max(confidence, scores[static_cast<size_t>(row)]);
    }
  }
  return out;
}

// After one that is not counted.
double median_ms(int64_t repeat, bool processor_time, const std::function<void()>& run) {
  run();
  std::vector<double> times;
  for (int64_t i = 0; i < repeat; ++i) times.push_back(milliseconds_of(run, processor_time));
  return median(std::move(times));
}

}  // namespace

SuppressionTimes measure_suppression(bool quick, int64_t repeat, bool processor_time) {
  check(repeat >= 1, "zoo: ", repeat, " repetitions, expected at least 1");
  const Boxes boxes = proposals(quick ? 40 : 300);
  const int64_t classes = quick ? 30 : 1600;
  const Probabilities probabilities = class_probabilities(boxes.rows(), classes);
  std::vector<double> published;
  SelectedRegions shared;
  SuppressionTimes out{.boxes = boxes.rows(), .classes = classes};
  out.published_ms =
      median_ms(repeat, processor_time, [&] { published = confidences_as_published(boxes, probabilities); });
  out.shared_ms = median_ms(repeat, processor_time, [&] { shared = select_regions(boxes, probabilities); });
  out.chosen = static_cast<int64_t>(shared.rows.size());
  out.equal = published == shared.confidences;
  return out;
}

}  // namespace tessera::zoo
