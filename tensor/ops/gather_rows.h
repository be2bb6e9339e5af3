// Taking rows of tables, and the deterministic scatter that is its gradient.
//
//   gather:       out[i] = table[index[i]], where several tables count as laid one after another
//   interpolate:  out[i] = Σ_t weight[i, t] · table[index[i, t]]
//
// Gradient: dtable[r] = Σ over the entries e with index[e] = r of weight[e] · dout[row of e], added in the order of e.
// The entries are sorted by row once (a counting sort), then every row of dtable is summed by itself, so the result
// does not depend on the number of threads. Sums of bf16 rows are f32, rounded once.
#pragma once

#include <span>

#include "tensor/ops/dropout_mask.h"
#include "tensor/tensor.h"

namespace tessera::ops {

// sources [n_k, d] (one dtype: f32, f64 or bf16), index i64 of any shape → [index..., d]. `op` is named in errors.
Tensor gather_rows(const char* op, std::span<const Tensor> sources, const Tensor& index);

// table [rows, d], f32 or f64, index i64 [n, taps], weight [n, taps] of the table's dtype → [n, d].
Tensor interpolate_rows(const Tensor& table, const Tensor& index, const Tensor& weight);

// Where the gradient of one source goes: `grad` [rows, d], contiguous, of dout's dtype or f32 for bf16, added to if
// `accumulate`, else overwritten. An undefined grad is left out.
struct RowTarget {
  int64_t rows = 0;
  Tensor grad;
  bool accumulate = false;
};

// dout [entries, d] (any leading shape), index i64 with one row for each entry.
void scatter_rows(const Tensor& dout, const Tensor& index, std::span<RowTarget> targets);
// The same behind dropout(gather): dout is the gradient of what dropout gave, with that mask.
void scatter_dropped_rows(const Tensor& dout, const Tensor& index, const DropoutMask& mask,
                          std::span<RowTarget> targets);
// The same for interpolation: dout [n, d], index and weight [n, taps].
void scatter_weighted_rows(const Tensor& dout, const Tensor& index, const Tensor& weight, RowTarget& target);

}  // namespace tessera::ops
