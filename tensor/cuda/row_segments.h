// Entries of an index, sorted by the row of a table that they point to, so that the gradient of each row is a sum over
// a segment: no atomics, the same bits every time.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tensor/tensor.h"

namespace tessera::cuda {

// The entries that point to row r are order[starts[r]] .. order[starts[r + 1] - 1], in their own order. A row with more
// than kPiece of them, such as that of a token type, is summed in pieces, by blocks of their own.
struct SortedEntries {
  static constexpr int64_t kPiece = 128;
  // Entries order[begin] .. order[end - 1] of a row.
  struct Piece {
    int64_t row, begin, end;
  };
  // A row of several pieces.
  struct LongRow {
    int64_t row, first_piece, pieces;
  };
  std::vector<int64_t> starts, order;
  std::vector<Piece> pieces;
  std::vector<LongRow> long_rows;
};
// Every element of index is below `rows`.
SortedEntries sort_entries(std::span<const int64_t> index, int64_t rows);

// The same on the device, and the first row of the table whose gradient is wanted.
struct RowSegments {
  const int64_t *starts, *order;
  const SortedEntries::Piece* pieces;
  const SortedEntries::LongRow* long_rows;
  int64_t piece_count, long_row_count;
  int64_t first_row = 0;
};
// With the memory in which it lies.
struct SegmentsOnDevice {
  Tensor memory;
  RowSegments segments;
};
SegmentsOnDevice to_device(const SortedEntries& sorted);

}  // namespace tessera::cuda
