// Average precision against cases that are computed by hand.
#include "data/boxes/average_precision.h"

#include <doctest/doctest.h>

#include <limits>

#include "tests/error_text.h"

namespace tessera::average_precision_test {
namespace {

Boxes at(const std::vector<double>& lefts) {
  Boxes out(static_cast<Eigen::Index>(lefts.size()), 4);
  for (size_t i = 0; i < lefts.size(); ++i) out.row(static_cast<Eigen::Index>(i)) << lefts[i], 0, lefts[i] + 10, 10;
  return out;
}

using Labels = std::vector<int64_t>;
using Scores = std::vector<double>;

}  // namespace

TEST_CASE("average precision: right, wrong, right of two true boxes, by hand") {
  // Precisions 1, 1/2, 2/3 at recalls 1/2, 1/2, 1. Of the 101 recalls 0 … 0.50 are 51, with the largest precision 1;
  // 0.51 … 1.00 are 50, with 2/3.
  AveragePrecision ap;
  ap.add(at({0, 100, 50}), Scores{0.9, 0.8, 0.7}, Labels{1, 1, 1}, at({0, 50}), Labels{1, 1});
  REQUIRE(ap.mean().has_value());
  CHECK(*ap.mean() == doctest::Approx((51 + 50 * 2.0 / 3) / 101).epsilon(1e-12));
  CHECK(ap.by_class().at(1).truths == 2);
  CHECK(ap.by_class().at(1).found == 3);
}

TEST_CASE("average precision: a true box is found once, and the best of those that are left is taken") {
  // Both overlap the true box by more than a half; the second is wrong. Recall 1 is reached with precision 1 before it.
  AveragePrecision twice;
  twice.add(at({0, 1}), Scores{0.9, 0.8}, Labels{1, 1}, at({0}), Labels{1});
  CHECK(*twice.mean() == 1);
  // The other way round the first is wrong: it lies elsewhere.
  AveragePrecision late;
  late.add(at({80, 0}), Scores{0.9, 0.8}, Labels{1, 1}, at({0}), Labels{1});
  CHECK(*late.mean() == doctest::Approx(0.5));
  // Of two true boxes the one at 3 is nearer to the detection at 2; the detection at 0 takes the other.
  AveragePrecision pair;
  pair.add(at({2, 0}), Scores{0.9, 0.8}, Labels{1, 1}, at({0, 3}), Labels{1, 1});
  CHECK(*pair.mean() == 1);
}

TEST_CASE("average precision: the threshold itself is enough") {
  // Two boxes of width 10, shifted by 10/3, have the intersection 2/3 and the union 4/3 of one.
  for (const auto& [shift, value] : {std::pair{10.0 / 3 - 1e-9, 1.0}, std::pair{10.0 / 3 + 1e-6, 0.0}}) {
    AveragePrecision ap;
    ap.add(at({shift}), Scores{1}, Labels{1}, at({0}), Labels{1});
    CHECK(*ap.mean() == value);
  }
  AveragePrecision exact;
  Boxes half(1, 4);
  half << 0, 0, 5, 10;
  exact.add(half, Scores{1}, Labels{1}, at({0}), Labels{1});
  CHECK(*exact.mean() == 1);
}

TEST_CASE("average precision: classes and pictures are apart, and a class without true boxes is in no mean") {
  AveragePrecision ap;
  ap.add(at({0}), Scores{0.9}, Labels{2}, at({0}), Labels{1});
  CHECK(*ap.mean() == 0);
  CHECK(ap.by_class().at(2).truths == 0);
  CHECK(ap.by_class().at(2).found == 1);
  // The same place in another picture is another box.
  AveragePrecision pictures;
  pictures.add(at({0}), Scores{0.9}, Labels{1}, at({}), Labels{});
  pictures.add(at({}), Scores{}, Labels{}, at({0}), Labels{1});
  CHECK(*pictures.mean() == 0);
  CHECK_FALSE(AveragePrecision().mean().has_value());
}

TEST_CASE("average precision: equal scores come as they were added; a score that is not a number is none") {
  AveragePrecision right_first, wrong_first;
  right_first.add(at({0, 80}), Scores{0.5, 0.5}, Labels{1, 1}, at({0}), Labels{1});
  wrong_first.add(at({80, 0}), Scores{0.5, 0.5}, Labels{1, 1}, at({0}), Labels{1});
  CHECK(*right_first.mean() == 1);
  CHECK(*wrong_first.mean() == doctest::Approx(0.5));
  AveragePrecision none;
  none.add(at({0, 80}), Scores{0.5, std::numeric_limits<double>::quiet_NaN()}, Labels{1, 1}, at({0}), Labels{1});
  CHECK(*none.mean() == 1);
  CHECK(none.by_class().at(1).found == 1);
  CHECK(tests::lacking(tests::error_of([&] { none.add(at({0}), Scores{}, Labels{1}, at({}), Labels{}); }),
                       {"1 boxes, 0 scores"}) == "");
}

}  // namespace tessera::average_precision_test
