// Attention in f64 straight from its formulas, and element by element what a bf16 kernel may be away from it.
#pragma once

#include <cstdint>

#include "tensor/tensor.h"

namespace tessera::reference {

// q, k, v and what goes with them as ops::attention takes them, in f64.
struct Attention {
  Tensor out, log_sum_exp;  // [query tokens, width], [query tokens, heads]
};
Attention attention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& cu_q, const Tensor& cu_k,
                    int64_t heads, bool causal);

// What bf16 may be away from f64 on the same inputs, element by element. A result stored in bf16 has the rounding u =
// 2^-8 of its own magnitude. Where P and dS are rounded to bf16 on their way into the second products, each of those
// has u of the sum of its terms' magnitudes, too. Everything else is f32: scores of magnitude up to about 10 from sums
// of 64 terms of relative error 2^-24, which change P by about 2^-18 of it, so 2^-15 of the terms' magnitudes is
// enough. D_i is either such a sum or, for more than `most_whole_keys` keys, dout_i · out_i with out rounded.
struct Bounded {
  Tensor value, bound;
};
struct AttentionBf16 {
  Bounded out, dq, dk, dv;
};
AttentionBf16 attention_bf16(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& dout, const Tensor& cu_q,
                             const Tensor& cu_k, int64_t heads, bool causal, bool rounded_factors,
                             int64_t most_whole_keys);

// The largest difference as a part of its bound; NaN where a result is. The shapes are equal.
double used_part(const Tensor& x, const Bounded& expected);

}  // namespace tessera::reference
