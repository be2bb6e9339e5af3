// Attention on bf16 rows whose products are made of pairs of bf16 (vdpbf16ps or tiles): the fast form of the kernels of
// attention.cpp, which widen bf16 to f32 and are its readable twin. Q, K, V and dO enter the products as they are; P
// and dS are rounded to bf16 on their way into theirs; sums are f32.
//
// Scores are computed transposed, Sᵀ = K Qᵀ [keys, queries], so that the lanes of a vector are queries: a row's maximum
// and sum need no sum over lanes, and a pair of rows is what the product with V takes pairs of keys from.
#pragma once

#include "tensor/ops/attention/attention_tiles.h"

namespace tessera::ops::attention_detail {

// True if the instruction set in use multiplies pairs of bf16, which is what makes these kernels worth their packing.
bool multiplies_bf16_pairs();

void forward_unit_bf16(const Sizes& sizes, const Unit& unit, Rows<const bf16> q, Rows<const bf16> k, Rows<const bf16> v,
                       Rows<bf16> out, float* log_sum_exp);
void backward_unit_bf16(const Sizes& sizes, int64_t sequence, int64_t head, const BackwardRows<bf16>& x);

}  // namespace tessera::ops::attention_detail
