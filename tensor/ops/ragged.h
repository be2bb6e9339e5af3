// Ragged batches: the rows of all sequences lie packed one after another, and cu_seqlens [sequences + 1] (i64) marks
// where each begins; the last mark is the number of rows.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tensor/tensor.h"

namespace tessera::ops {

// The marks, checked: i64, one dimension, starting at 0, never decreasing. Errors name the op and `what`.
std::span<const int64_t> check_marks(const char* op, const char* what, const Tensor& marks);
// The same, ending at `rows`.
std::span<const int64_t> check_marks(const char* op, const char* what, const Tensor& marks, int64_t rows);

// Where the m_s × n_s matrix of each sample begins in a flat tensor that holds them all; the last entry is its length.
std::vector<int64_t> matrix_offsets(std::span<const int64_t> rows, std::span<const int64_t> columns);

// The largest distance between neighbouring marks.
int64_t longest(std::span<const int64_t> marks);

// `x` if the elements of each row lie side by side (any distance between rows), else a contiguous copy. x [rows, n].
inline Tensor with_plain_rows(const Tensor& x) { return x.size(1) <= 1 || x.stride(1) == 1 ? x : x.contiguous(); }

}  // namespace tessera::ops
