// The embedding of a packed batch: rows of several tables in the batch's order, dropout, and the embedding of each
// token's type (in ViLT its modality: word, first image, second image), in one pass.
//
//   y[i] = dropout(sources[index[i]]) + type_table[types[i]]
//
// Bit for bit what gather_rows, dropout, add and (for a bf16 result) cast give one after another. The gradients follow
// from theirs: dtype_table[t] = Σ dy[i] over the tokens of type t, dsource[r] = Σ mask_i · dy[i] / (1 - p) over the
// tokens that take row r, both in the order of i; the mask is made again.
#pragma once

#include <span>

#include "tensor/ops/dropout_mask.h"
#include "tensor/ops/gather_rows.h"
#include "tensor/tensor.h"

namespace tessera::ops {

// sources [n_k, d] and type_table [types, d], f32 or f64; index (into the sources laid one after another) and types i64
// [n] → [n, d] of `dtype`: that of the sources, or bf16 for f32.
Tensor embed_tokens(std::span<const Tensor> sources, const Tensor& index, const Tensor& type_table, const Tensor& types,
                    double p, const Ticket& ticket, DType dtype);

// dy [n, d] of the result's dtype, gradients of the sources' dtype.
void embed_tokens_backward(const Tensor& dy, const Tensor& index, const Tensor& types, double p, const Ticket& ticket,
                           std::span<RowTarget> sources, RowTarget& type_table);

}  // namespace tessera::ops
