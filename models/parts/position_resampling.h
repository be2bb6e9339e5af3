// A square table of position embeddings read on another grid, as vision transformers do for pictures of other sizes.
#pragma once

#include <cstdint>
#include <vector>

namespace tessera {

constexpr int kBicubicTaps = 16;

struct ResampledPositions {
  std::vector<int64_t> index;  // [rows · columns, 16]: cells of the table in raster order
  std::vector<double> weight;  // [rows · columns, 16]; each row sums to 1
};

// Bicubic with a = -0.75 (Keys' kernel), pixel centres at half integers, no smoothing when shrinking: torch's
// interpolate(mode="bicubic", align_corners=False). Cell (i, j) of the new grid reads the table at
//   y = (i + 1/2) · side / rows - 1/2,  x = (j + 1/2) · side / columns - 1/2,
// from the four rows floor(y) - 1 .. floor(y) + 2 and four columns likewise; those outside are the nearest inside.
// Equal grids give weight 1 to the own cell.
ResampledPositions resample_positions(int side, int rows, int columns);

}  // namespace tessera
