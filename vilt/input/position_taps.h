// Where a patch's position embedding comes from when the image's grid is not the table's: bilinear interpolation with
// aligned corners, as four rows of the table and their weights.
#pragma once

#include <cstdint>
#include <vector>

namespace tessera {

struct PositionTaps {
  std::vector<int64_t> index;  // [rows · columns, 4]: rows of the table, whose row 0 is the class token's
  std::vector<double> weight;  // [rows · columns, 4]; each row sums to 1
};

// Patch (i, j) of a `rows` x `columns` grid reads the square table at
//   y = i (side - 1) / (rows - 1),  x = j (side - 1) / (columns - 1)     (0 where there is one row or column),
// from the rows floor(y), floor(y) + 1 and the columns likewise. Equal grids give weight 1 to the patch's own row.
PositionTaps position_taps(int table_side, int rows, int columns);

}  // namespace tessera
