#include "data/boxes/boxes.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <set>

#include "data/boxes/anchors.h"
#include "data/boxes/box_coder.h"
#include "data/boxes/matching.h"
#include "data/boxes/nms.h"

namespace tessera::boxes_test {

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

Boxes boxes(const std::vector<std::array<double, 4>>& rows) {
  Boxes result(static_cast<Eigen::Index>(rows.size()), 4);
  for (size_t i = 0; i < rows.size(); ++i)
    for (size_t k = 0; k < 4; ++k) result(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(k)) = rows[i][k];
  return result;
}

// Corners are multiples of 1/4, so that ties and equal overlaps occur.
Boxes random_boxes(int64_t count, uint64_t seed) {
  Random random(seed);
  Boxes result(count, 4);
  for (Eigen::Index i = 0; i < count; ++i)
    for (int axis = 0; axis < 2; ++axis) {
      result(i, axis) = static_cast<double>(random.below(80)) / 4;
      result(i, axis + 2) = result(i, axis) + static_cast<double>(1 + random.below(40)) / 4;
    }
  return result;
}

double naive_overlap(const Boxes& a, Eigen::Index i, const Boxes& b, Eigen::Index j, double more) {
  const double w = std::min(a(i, 2), b(j, 2)) - std::max(a(i, 0), b(j, 0)) + more;
  const double h = std::min(a(i, 3), b(j, 3)) - std::max(a(i, 1), b(j, 1)) + more;
  const double common = w > 0 && h > 0 ? w * h : 0;
  const auto area = [more](const Boxes& x, Eigen::Index k) {
    return (x(k, 2) - x(k, 0) + more) * (x(k, 3) - x(k, 1) + more);
  };
  const double all = area(a, i) + area(b, j) - common;
  return all > 0 ? common / all : 0;
}

// By the definition: a box stays unless a better one of its class that stays overlaps it too much.
std::vector<int64_t> naive_nms(const Boxes& all, const std::vector<double>& scores, const std::vector<int64_t>& classes,
                               double threshold) {
  std::vector<int64_t> kept, order;
  for (size_t left = scores.size(); left > 0; --left) {
    int64_t best = -1;
    for (size_t i = 0; i < scores.size(); ++i)
      if (std::find(order.begin(), order.end(), static_cast<int64_t>(i)) == order.end() &&
          (best < 0 || scores[i] > scores[static_cast<size_t>(best)]))
        best = static_cast<int64_t>(i);
    order.push_back(best);
    bool stays = true;
    for (const int64_t k : kept)
      stays &= classes[static_cast<size_t>(k)] != classes[static_cast<size_t>(best)] ||
               naive_overlap(all, k, all, best, 0) <= threshold;
    if (stays) kept.push_back(best);
  }
  return kept;
}

using Rows = std::vector<int64_t>;

}  // namespace

TEST_CASE("boxes: overlap equals its definition in both conventions; touching, equal, without area, not numbers") {
  const Boxes a = random_boxes(17, 1), b = random_boxes(9, 2);
  for (const BoxEnds ends : {BoxEnds::at_corner, BoxEnds::behind_pixel}) {
    const Eigen::ArrayXXd got = intersection_over_union(a, b, ends);
    for (Eigen::Index i = 0; i < 17; ++i)
      for (Eigen::Index j = 0; j < 9; ++j)
        CHECK(got(i, j) == naive_overlap(a, i, b, j, ends == BoxEnds::behind_pixel ? 1 : 0));
  }
  const Boxes some = boxes({{0, 0, 2, 2}, {2, 0, 4, 2}, {1, 1, 1, 1}, {kNan, 0, 2, 2}, {0, 0, 4, 2}});
  const Eigen::ArrayXXd overlap = intersection_over_union(some, some);
  CHECK(overlap(0, 0) == 1);
  CHECK(overlap(0, 1) == 0);
  CHECK(overlap(2, 2) == 0);
  CHECK(overlap(0, 4) == 0.5);
  for (Eigen::Index i = 0; i < 5; ++i) CHECK((overlap(3, i) == 0 && overlap(i, 3) == 0));
  CHECK(intersection_over_union(some, Boxes(0, 4)).cols() == 0);
  CHECK(intersection_over_union(Boxes(0, 4), some).rows() == 0);
}

TEST_CASE("boxes: to tensors and back, clipped, short sides, levels of a pyramid") {
  const Boxes some = boxes({{-3, 2, 50, 70}, {1, 1, 2, 1.5}, {4, 4, 3, 9}});
  CHECK((boxes_of(tensor_of(some, DType::f64)) == some).all());
  CHECK(tensor_of(some).dtype() == DType::f32);
  CHECK(boxes_of(Tensor::empty({0, 4})).rows() == 0);
  CHECK_THROWS_WITH(boxes_of(Tensor::zeros({4})), "boxes: got f32 [4], expected f32 or f64 [n, 4]");
  CHECK((clipped(some, 60, 40).row(0) == boxes({{0, 2, 40, 60}}).row(0)).all());
  CHECK(boxes_with_sides(some, 0.5) == Rows{0, 1});
  CHECK(boxes_with_sides(some, 0.6) == Rows{0});
  CHECK(boxes_with_sides(Boxes(0, 4), 1).empty());
  CHECK(clipped(Boxes(0, 4), 60, 40).rows() == 0);
  CHECK(pyramid_levels(Boxes(0, 4)).empty());
  CHECK(areas(Boxes(0, 4)).size() == 0);
  const Boxes sizes = boxes({{0, 0, 1, 1},
                             {0, 0, 112, 112},
                             {0, 0, 223, 223},
                             {0, 0, 224, 224},
                             {0, 0, 4000, 4000},
                             {5, 5, 5, 5},
                             {5, 5, 4, 9}});
  CHECK(pyramid_levels(sizes) == Rows{0, 1, 1, 2, 3, 0, 0});
}

TEST_CASE("boxes: outside the picture, without end, and so large that their area is none") {
  constexpr double kHuge = 1e200, kInfinity = std::numeric_limits<double>::infinity();
  // Outside they shrink to an edge, and have no side.
  const Boxes outside = boxes({{-9, -9, -1, -1}, {50, 10, 60, 20}, {-5, 90, 45, 99}});
  CHECK((clipped(outside, 60, 40) == boxes({{0, 0, 0, 0}, {40, 10, 40, 20}, {0, 60, 40, 60}})).all());
  CHECK(boxes_with_sides(clipped(outside, 60, 40), 1e-3).empty());
  CHECK((clipped(boxes({{-kInfinity, 3, kInfinity, kHuge}}), 60, 40) == boxes({{0, 3, 40, 60}})).all());
  // Overlaps are numbers of 0 to 1, whatever the boxes are.
  const Boxes all = boxes({{0, 0, 2, 2},
                           {-kHuge, -kHuge, kHuge, kHuge},
                           {-kInfinity, 0, kInfinity, 1},
                           {0, 0, kInfinity, kInfinity},
                           {2, 2, 0, 0},
                           {kInfinity, kInfinity, -kInfinity, -kInfinity}});
  for (const BoxEnds ends : {BoxEnds::at_corner, BoxEnds::behind_pixel}) {
    const Eigen::ArrayXXd overlap = intersection_over_union(all, all, ends);
    for (const double value : overlap.reshaped()) CHECK((value >= 0 && value <= 1));
  }
  CHECK(suppressed(all, std::vector<double>(6, 0.5), 0.5) == Rows{0, 1, 2, 3, 4, 5});
  CHECK(pyramid_levels(all) == Rows{0, 3, 3, 3, 0, 3});
  CHECK_THROWS_WITH(BoxCoder{}.encode(boxes({{0, 0, kInfinity, 1}}), boxes({{0, 0, 1, 1}})),
                    "box coder: box 0 is inf × 1, expected finite sides above 0");
  BoxCoder::Deltas odd(2, 4);
  odd << kNan, 0, 0, 0, 0, 0, -kInfinity, kInfinity;
  const Boxes decoded = BoxCoder{}.decode(odd, boxes({{0, 0, 2, 2}, {0, 0, 2, 2}}));
  CHECK(std::isnan(decoded(0, 0)));
  CHECK((decoded.row(0).tail(1) == 2).all());
  CHECK(decoded(1, 2) - decoded(1, 0) == 0);  // and no taller than 62.5 times its reference
  CHECK(decoded(1, 3) - decoded(1, 1) == doctest::Approx(125));
}

// Logarithm and exponential are good to an ulp each.
TEST_CASE("box coder: decoding undoes encoding; by class; growth is bounded") {
  const Boxes given = random_boxes(20, 3), references = random_boxes(20, 4);
  const BoxCoder coder{{10, 10, 5, 5}};
  CHECK(((coder.decode(coder.encode(given, references), references) - given).abs() < 1e-12).all());
  const Boxes delta = BoxCoder{}.encode(boxes({{1, 2, 5, 4}}), boxes({{0, 0, 2, 2}}));
  CHECK(delta(0, 0) == 1);
  CHECK(delta(0, 1) == 1);
  CHECK(delta(0, 2) == doctest::Approx(std::log(2.0)));
  CHECK(delta(0, 3) == 0);

  BoxCoder::Deltas by_class(2, 8);
  by_class << 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 99, 0;
  const Boxes got = BoxCoder{}.decode(by_class, boxes({{0, 0, 2, 2}, {0, 0, 16, 2}}));
  CHECK((got.row(0) == boxes({{0, 0, 2, 2}}).row(0)).all());
  CHECK((got.row(1) == boxes({{2, 0, 4, 2}}).row(0)).all());
  CHECK(got(3, 2) - got(3, 0) == doctest::Approx(1000));
  CHECK(BoxCoder{}.decode(BoxCoder::Deltas(0, 4), Boxes(0, 4)).rows() == 0);
  CHECK(BoxCoder{}.encode(Boxes(0, 4), Boxes(0, 4)).rows() == 0);
  CHECK_THROWS_WITH(BoxCoder{}.encode(boxes({{1, 1, 1, 2}}), boxes({{0, 0, 1, 1}})),
                    "box coder: box 0 is 0 × 1, expected finite sides above 0");
  CHECK_THROWS_WITH(BoxCoder{}.encode(boxes({{1, 1, 2, 2}}), boxes({{0, 0, 1, kNan}})),
                    "box coder: reference 0 is 1 × nan, expected finite sides above 0");
  CHECK_THROWS_WITH(BoxCoder{}.decode(BoxCoder::Deltas(2, 6), Boxes(2, 4)),
                    "box coder: deltas are [2, 6], expected [2, 4 · classes]");
}

TEST_CASE("nms equals its definition, with many equal scores, for one class and by class") {
  for (const int64_t count : {0, 1, 2, 60})
    for (const double threshold : {0.0, 0.3, 0.5, 1.0}) {
      CAPTURE(count);
      const Boxes all = random_boxes(count, 5);
      Random random(6);
      std::vector<double> scores;
      std::vector<int64_t> classes;
      for (int64_t i = 0; i < count; ++i) {
        scores.push_back(static_cast<double>(random.below(8)) / 8);
        classes.push_back(static_cast<int64_t>(random.below(3)) - 1);
      }
      CHECK(suppressed(all, scores, threshold) ==
            naive_nms(all, scores, std::vector<int64_t>(scores.size(), 0), threshold));
      CHECK(suppressed_by_class(all, scores, classes, threshold) == naive_nms(all, scores, classes, threshold));
    }
}

TEST_CASE(
    "nms: at the threshold both stay; equal scores, boxes without area, scores and corners that are not numbers") {
  const Boxes half = boxes({{0, 0, 2, 2}, {0, 0, 2, 4}});
  const std::vector<double> scores{0.5, 0.5};
  CHECK(suppressed(half, scores, 0.5) == Rows{0, 1});
  CHECK(suppressed(half, scores, 0.49) == Rows{0});
  // Both end behind a pixel: 9 of 15.
  CHECK(suppressed(half, scores, 0.6, BoxEnds::behind_pixel) == Rows{0, 1});
  CHECK(suppressed(half, scores, 0.59, BoxEnds::behind_pixel) == Rows{0});
  const Boxes same = boxes({{0, 0, 2, 2}, {0, 0, 2, 2}, {0, 0, 2, 2}});
  CHECK(suppressed(same, std::vector<double>{0.1, 0.1, 0.1}, 0.5) == Rows{0});
  CHECK(suppressed(same, std::vector<double>{kNan, 0.1, 0.2}, 0.5) == Rows{2});
  CHECK(suppressed(same, std::vector<double>{kNan, kNan, kNan}, 0.5).empty());
  CHECK(suppressed(boxes({{1, 1, 1, 1}, {1, 1, 1, 1}}), scores, 0) == Rows{0, 1});
  CHECK(suppressed(boxes({{0, 0, 2, kNan}, {0, 0, 2, 2}}), scores, 0) == Rows{0, 1});
  CHECK(suppressed_by_class(same, std::vector<double>{0.1, 0.3, 0.3}, Rows{1, 2, 1}, 0.5) == Rows{1, 2});
  CHECK_THROWS_WITH(suppressed(same, scores, 0.5), "nms: 3 boxes, 2 scores");
  CHECK_THROWS_WITH(suppressed(half, scores, kNan), "nms: threshold is nan, expected at least 0");
  CHECK_THROWS_WITH(suppressed_by_class(half, scores, Rows{1}, 0.5), "nms: 2 scores, 1 classes");
}

TEST_CASE("nms with shared overlaps says of every ranking what it says without") {
  for (const int64_t count : {0, 1, 63, 64, 65, 130})
    for (const BoxEnds ends : {BoxEnds::at_corner, BoxEnds::behind_pixel}) {
      CAPTURE(count);
      Boxes all = random_boxes(count, 7);
      if (count > 60) {
        all.row(3) << 1, 1, 1, 1;     // without area
        all.row(5) << 0, kNan, 9, 9;  // no box
        all.row(8) << 9, 9, 2, 2;     // the wrong way round
      }
      const SharedSuppression shared(all, 0.3, ends);
      Random random(8);
      for (int ranking = 0; ranking < 4; ++ranking) {
        std::vector<double> scores;
        for (int64_t i = 0; i < count; ++i)
          scores.push_back(random.below(9) == 0 ? kNan : static_cast<double>(random.below(8)) / 8);
        CHECK(shared(scores) == suppressed(all, scores, 0.3, ends));
      }
    }
  CHECK_THROWS_WITH(SharedSuppression(Boxes(2, 4), -1), "nms: threshold is -1, expected at least 0");
  CHECK_THROWS_WITH(SharedSuppression(Boxes::Zero(3, 4), 0.5)(std::vector<double>{1, 2}), "nms: 3 boxes, 2 scores");
}

// The published list of the first Faster R-CNN for ratios 1/2, 1, 2 and scales 8, 16, 32, less one pixel of origin.
TEST_CASE("anchors: the published list, rounding to even, and their order on a grid") {
  const std::vector<double> ratios{0.5, 1, 2}, scales{8, 16, 32};
  const Boxes expected = boxes({{-84, -40, 99, 55},
                                {-176, -88, 191, 103},
                                {-360, -184, 375, 199},
                                {-56, -56, 71, 71},
                                {-120, -120, 135, 135},
                                {-248, -248, 263, 263},
                                {-36, -80, 51, 95},
                                {-80, -168, 95, 183},
                                {-168, -344, 183, 359}});
  CHECK((first_cell_anchors(ratios, scales) == expected).all());
  const Boxes cell = cell_anchors(std::vector<double>{5, 32}, std::vector<double>{1, 4});
  CHECK((cell == boxes({{-2, -2, 2, 2}, {-16, -16, 16, 16}, {-1, -5, 1, 5}, {-8, -32, 8, 32}})).all());
  const Boxes grid = grid_anchors(cell.topRows(2), 2, 3, 10, 100);
  REQUIRE(grid.rows() == 12);
  CHECK((grid.row(3) == boxes({{84, -16, 116, 16}}).row(0)).all());
  CHECK((grid.row(10) == boxes({{198, 8, 202, 12}}).row(0)).all());
  CHECK(grid_anchors(cell, 0, 3, 1, 1).rows() == 0);
  CHECK_THROWS_WITH(cell_anchors(std::vector<double>{0}, ratios), "anchors: size 0, ratio 0.5, expected both above 0");
}

TEST_CASE("matching: thresholds, the best of each true box and its equals, true boxes that none overlaps") {
  Eigen::ArrayXXd overlap(3, 5);
  overlap << 0.7, 0.3, 0.2, 0.29, 0.5,  //
      0.0, 0.1, 0.2, 0.1, 0.5,          //
      0.0, 0.0, 0.0, 0.0, 0.0;
  CHECK(matched(overlap, {}) == Rows{0, kBetween, kBackground, kBackground, kBetween});
  CHECK(matched(overlap, {.best_of_each = true}) == Rows{0, kBetween, kBackground, kBackground, 0});
  CHECK(matched(overlap, {.high = 0.5, .low = 0.5}) == Rows{0, kBackground, kBackground, kBackground, 0});
  CHECK(matched(Eigen::ArrayXXd(0, 3), {.best_of_each = true}) == Rows{kBackground, kBackground, kBackground});
  CHECK(matched(Eigen::ArrayXXd(3, 0), {.best_of_each = true}).empty());
  CHECK_THROWS_WITH(matched(overlap, {.high = 0.1}), "matching: low is 0.3, high 0.1");
}

TEST_CASE("sampling: at most the share of positives, filled up with background, each choice alike likely") {
  const Rows matches{0, -1, -2, 3, -1, -1, 1, -1, -2, 0};
  Random random(1);
  const BoxSample some = balanced_sample(matches, 6, 0.5, random);
  CHECK(some.positive.size() == 3);
  CHECK(some.negative.size() == 3);
  for (const int64_t i : some.positive) CHECK(matches[static_cast<size_t>(i)] >= 0);
  for (const int64_t i : some.negative) CHECK(matches[static_cast<size_t>(i)] == kBackground);
  CHECK(std::is_sorted(some.positive.begin(), some.positive.end()));
  const BoxSample all = balanced_sample(matches, 100, 0.5, random);
  CHECK(all.positive == Rows{0, 3, 6, 9});
  CHECK(all.negative == Rows{1, 4, 5, 7});
  const BoxSample few = balanced_sample(Rows{0, -1, -1, -1, -1, -1, -1}, 4, 0.5, random);
  CHECK(few.positive == Rows{0});
  CHECK(few.negative.size() == 3);
  CHECK(balanced_sample(Rows{}, 4, 0.5, random).negative.empty());
  CHECK(balanced_sample(matches, 0, 0.5, random).positive.empty());
  // 4 of 4 000 draws of one of four are beyond 6 deviations of 1 000 less often than once in 10^9.
  std::vector<int> chosen(10, 0);
  for (int i = 0; i < 4000; ++i)
    for (const int64_t k : balanced_sample(matches, 2, 0.5, random).positive) ++chosen[static_cast<size_t>(k)];
  for (const size_t k : {0U, 3U, 6U, 9U}) CHECK(std::abs(chosen[k] - 1000) < 6 * 27.4);
}

}  // namespace tessera::boxes_test
