#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "data/boxes/box_coder.h"
#include "data/boxes/matching.h"
#include "data/boxes/nms.h"
#include "tests/fuzz/targets.h"

namespace tessera::fuzz {
namespace {

// Corners, score and a byte of class, as the bits happen to be: not numbers, infinite, tiny, turned round.
struct BoxList {
  Boxes boxes;
  std::vector<double> scores;
  std::vector<int64_t> classes;

  explicit BoxList(Bytes bytes) {
    constexpr size_t kRow = 5 * sizeof(double) + 1, kMost = 48;
    const size_t count = std::min(bytes.size() / kRow, kMost);
    boxes.resize(static_cast<Eigen::Index>(count), 4);
    for (size_t i = 0; i < count; ++i) {
      double row[5];
      std::memcpy(row, bytes.data() + i * kRow, sizeof row);
      for (int k = 0; k < 4; ++k) boxes(static_cast<Eigen::Index>(i), k) = row[k];
      scores.push_back(row[4]);
      classes.push_back(bytes[i * kRow + sizeof row] % 4);
    }
  }
};

// Each row at most once, falling scores, equal ones in their own order, none that is not a number.
void check_kept(const std::vector<int64_t>& kept, const BoxList& list) {
  for (size_t i = 0; i < kept.size(); ++i) {
    ensure(kept[i] >= 0 && kept[i] < list.boxes.rows(), "row ", kept[i], " of ", list.boxes.rows());
    const double score = list.scores[static_cast<size_t>(kept[i])];
    ensure(!std::isnan(score), "a box without a score is kept");
    if (i == 0) continue;
    const double before = list.scores[static_cast<size_t>(kept[i - 1])];
    ensure(before > score || (before == score && kept[i - 1] < kept[i]), "boxes ", kept[i - 1], " and ", kept[i],
           " are in another order than their scores");
  }
}

void check_overlap(const Eigen::ArrayXXd& overlap) {
  for (const double value : overlap.reshaped()) ensure(value >= 0 && value <= 1 + 1e-9, "an overlap of ", value);
}

}  // namespace

void boxes(Bytes bytes) {
  const BoxList list(bytes);
  const Eigen::Index count = list.boxes.rows();
  for (const BoxEnds ends : {BoxEnds::at_corner, BoxEnds::behind_pixel}) {
    check_overlap(intersection_over_union(list.boxes, list.boxes, ends));
    for (const double threshold : {0.0, 0.3, 1.0}) {
      check_kept(suppressed(list.boxes, list.scores, threshold, ends), list);
      check_kept(suppressed_by_class(list.boxes, list.scores, list.classes, threshold, ends), list);
    }
  }
  const Boxes inside = clipped(list.boxes, 30, 40);
  for (Eigen::Index i = 0; i < count; ++i)
    for (int k = 0; k < 4; ++k) {
      const double limit = k % 2 == 0 ? 40 : 30;
      ensure(std::isnan(list.boxes(i, k)) || (inside(i, k) >= 0 && inside(i, k) <= limit), "corner ", inside(i, k),
             " outside a picture of ", limit);
    }
  for (const int64_t i : boxes_with_sides(list.boxes, 1))
    ensure(list.boxes(i, 2) - list.boxes(i, 0) >= 1, "box ", i, " is narrow");
  for (const int64_t level : pyramid_levels(list.boxes)) ensure(level >= 0 && level <= 3, "level ", level, " of 4");

  const Boxes back = boxes_of(tensor_of(list.boxes));
  ensure(back.rows() == count, back.rows(), " boxes of ", count);
  const BoxCoder coder;
  Boxes deltas;
  if (accepted([&] { deltas = coder.encode(list.boxes, list.boxes); }))
    for (const double delta : deltas.reshaped()) ensure(delta == 0, "a box differs from itself by ", delta);
  const Boxes decoded = coder.decode(BoxCoder::Deltas(list.boxes), list.boxes);
  ensure(decoded.rows() == count, decoded.rows(), " decoded boxes of ", count);

  const Eigen::Index truths = std::min<Eigen::Index>(count, 5);
  const Eigen::ArrayXXd overlap = intersection_over_union(list.boxes.topRows(truths), list.boxes);
  for (const bool best_of_each : {false, true}) {
    const std::vector<int64_t> matches = matched(overlap, {.best_of_each = best_of_each});
    for (const int64_t match : matches) ensure(match >= kBetween && match < truths, "match ", match, " of ", truths);
    Random random(1, 2);
    const BoxSample sample = balanced_sample(matches, 8, 0.25, random);
    ensure(sample.positive.size() <= 2 && sample.positive.size() + sample.negative.size() <= 8, "a sample of ",
           sample.positive.size(), " and ", sample.negative.size());
  }
}

}  // namespace tessera::fuzz
