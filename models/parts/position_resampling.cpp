#include "models/parts/position_resampling.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "tensor/error.h"

namespace tessera {
namespace {

struct Taps {
  std::array<int64_t, 4> index;
  std::array<double, 4> weight;
};

// k(d) = (a + 2) d³ - (a + 3) d² + 1 for d <= 1,  a d³ - 5a d² + 8a d - 4a for 1 < d < 2.
double cubic(double distance) {
  constexpr double a = -0.75;
  const double d = std::abs(distance);
  if (d <= 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < 2 ? ((a * d - 5 * a) * d + 8 * a) * d - 4 * a : 0;
}

std::vector<Taps> taps_along(int side, int cells) {
  std::vector<Taps> out(static_cast<size_t>(cells));
  for (int i = 0; i < cells; ++i) {
    const double place = (i + 0.5) * side / cells - 0.5, below = std::floor(place);
    for (int k = 0; k < 4; ++k) {
      const double at = below - 1 + k;
      Taps& taps = out[static_cast<size_t>(i)];
      taps.index[static_cast<size_t>(k)] = std::clamp(static_cast<int64_t>(at), int64_t{0}, int64_t{side} - 1);
      taps.weight[static_cast<size_t>(k)] = cubic(place - at);
    }
  }
  return out;
}

}  // namespace

ResampledPositions resample_positions(int side, int rows, int columns) {
  check(side > 0 && rows > 0 && columns > 0, "positions: a table of side ", side, " for a grid of ", rows, " x ",
        columns, ", expected at least 1");
  const std::vector<Taps> vertical = taps_along(side, rows), horizontal = taps_along(side, columns);
  ResampledPositions out;
  for (const Taps& y : vertical)
    for (const Taps& x : horizontal)
      for (size_t i = 0; i < 4; ++i)
        for (size_t j = 0; j < 4; ++j) {
          out.index.push_back(y.index[i] * side + x.index[j]);
          out.weight.push_back(y.weight[i] * x.weight[j]);
        }
  return out;
}

}  // namespace tessera
