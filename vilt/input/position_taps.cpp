#include "vilt/input/position_taps.h"

#include <algorithm>
#include <utility>

#include "tensor/error.h"

namespace tessera {
namespace {

struct Between {
  int64_t low, high;
  double fraction;  // of the way from low to high
};

Between source(int i, int count, int side) {
  const double at = count > 1 ? static_cast<double>(i) * (side - 1) / (count - 1) : 0.0;
  const auto low = std::min<int64_t>(static_cast<int64_t>(at), side - 1);
  return {low, std::min<int64_t>(low + 1, side - 1), at - static_cast<double>(low)};
}

}  // namespace

PositionTaps position_taps(int table_side, int rows, int columns) {
  check(table_side > 0 && rows > 0 && columns > 0, "position_taps: table of side ", table_side, ", grid of ", rows,
        " x ", columns);
  PositionTaps taps;
  for (int i = 0; i < rows; ++i) {
    const Between y = source(i, rows, table_side);
    for (int j = 0; j < columns; ++j) {
      const Between x = source(j, columns, table_side);
      for (const auto& [row, wy] : {std::pair(y.low, 1 - y.fraction), std::pair(y.high, y.fraction)}) {
        for (const auto& [column, wx] : {std::pair(x.low, 1 - x.fraction), std::pair(x.high, x.fraction)}) {
          taps.index.push_back(1 + row * table_side + column);
          taps.weight.push_back(wy * wx);
        }
      }
    }
  }
  return taps;
}

}  // namespace tessera
