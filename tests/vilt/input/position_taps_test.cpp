#include "vilt/input/position_taps.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tensor/error.h"

namespace tessera::position_taps_test {
namespace {

// What the taps read from a table whose row 1 + y · side + x holds f(y, x).
template <class F>
double read(const PositionTaps& taps, size_t patch, int side, F f) {
  double sum = 0;
  for (size_t k = 4 * patch; k < 4 * patch + 4; ++k) {
    const int64_t cell = taps.index[k] - 1;
    REQUIRE(cell >= 0);
    REQUIRE(cell < side * side);
    sum += taps.weight[k] * f(static_cast<double>(cell / side), static_cast<double>(cell % side));
  }
  return sum;
}

}  // namespace

TEST_CASE("Equal grids give every patch its own row") {
  const PositionTaps taps = position_taps(4, 4, 4);
  for (size_t p = 0; p < 16; ++p)
    CHECK(read(taps, p, 4, [](double y, double x) { return 4 * y + x; }) == static_cast<double>(p));
}

TEST_CASE("Other grids interpolate with aligned corners") {
  // Bilinear interpolation reproduces a + b y + c x + d xy; y and x are the aligned coordinates.
  const auto surface = [](double y, double x) { return 3 - 2 * y + 5 * x + 0.5 * x * y; };
  for (const auto& [rows, columns] :
       {std::pair(5, 5), std::pair(4, 6), std::pair(9, 2), std::pair(1, 7), std::pair(13, 1)}) {
    const PositionTaps taps = position_taps(6, rows, columns);
    REQUIRE(taps.index.size() == static_cast<size_t>(4 * rows * columns));
    for (int i = 0; i < rows; ++i) {
      for (int j = 0; j < columns; ++j) {
        const double y = rows > 1 ? 5.0 * i / (rows - 1) : 0, x = columns > 1 ? 5.0 * j / (columns - 1) : 0;
        const auto patch = static_cast<size_t>(i * columns + j);
        // A few roundings of values up to 50.
        CHECK(std::abs(read(taps, patch, 6, surface) - surface(y, x)) < 1e-12);
        CHECK(std::abs(read(taps, patch, 6, [](double, double) { return 1.0; }) - 1) < 1e-15);
      }
    }
  }
}

TEST_CASE("A table of one row, and sizes that cannot be") {
  const PositionTaps taps = position_taps(1, 2, 3);
  for (const int64_t index : taps.index) CHECK(index == 1);
  CHECK_THROWS_WITH(position_taps(0, 2, 2), "position_taps: table of side 0, grid of 2 x 2");
  CHECK_THROWS_WITH(position_taps(4, 0, 2), "position_taps: table of side 4, grid of 0 x 2");
}

}  // namespace tessera::position_taps_test
