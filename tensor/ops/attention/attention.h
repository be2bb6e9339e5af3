// Scaled dot-product attention over ragged sequences, flash style (Dao et al., "FlashAttention", 2022).
//
// Sequence s has queries cu_queries[s] .. cu_queries[s+1] of q and keys cu_keys[s] .. cu_keys[s+1] of k and v. For each
// head (head size d_h, scale = d_h^-1/2), with S = scale · Q Kᵀ and the row-wise softmax P of S:
//
//   out = P V,   log_sum_exp_i = log Σ_j exp S_ij.
//
// Only log_sum_exp [query tokens, heads] is kept for backward, which computes P_ij = exp(S_ij - log_sum_exp_i) again,
// tile by tile. With dO the cotangent of out:
//
//   dV = Pᵀ dO,   dP = dO Vᵀ,   dS_ij = P_ij (dP_ij - D_i),   D_i = Σ_j P_ij dP_ij = dO_i · out_i,
//   dQ = scale · dS K,   dK = scale · dSᵀ Q.
//
// (The softmax's Jacobian is P_ij (δ_jl - P_il); D_i is what its second part leaves of row i.)
//
// With `causal`, query i of a sequence sees its keys 0 .. i + (keys - queries). A query that sees no key has output 0,
// log_sum_exp -inf and passes no gradient.
//
// Dropout of the probabilities: out = P' V with P'_ij = m_ij P_ij, where m_ij is 1 / (1 - p) or 0. The softmax's sum is
// over all of P. Then dV = P'ᵀ dO and dP_ij = m_ij (dO Vᵀ)_ij; the rest stays, D_i = dO_i · out_i too. The mask is a
// function of the ticket and of where an element lies, not of how a kernel divides its work: with n = (query token) ·
// heads + head, counted over the whole batch, element j is kept iff word 2^32 n + j of the ticket is at least p · 2^32.
// It is drawn again in backward. Kernels that multiply pairs of bf16 or use tensor cores drop nothing: with p > 0 those
// that compute in f32 take their place.
//
// Rows may lie any distance apart (row-strided views): the q, k and v of a fused projection [tokens, 3 · width] are
// read in place, and backward may write dq, dk and dv into the three parts of one tensor.
#pragma once

#include "tensor/philox.h"
#include "tensor/tensor.h"

namespace tessera::ops {

struct AttentionOptions {
  int64_t heads = 1;
  bool causal = false;
  double p = 0;  // of the probabilities' dropout, 0 <= p < 1
  Ticket ticket = {};
};

struct AttentionResult {
  Tensor out;          // [query tokens, heads · d_h]
  Tensor log_sum_exp;  // [query tokens, heads], arithmetic_dtype of q's
};

// q [query tokens, heads · d_h]; k, v [key tokens, heads · d_h]; cu_queries, cu_keys i64 [sequences + 1]. f32, f64 or
// bf16.
//
// On the CPU, heads narrower than 16 elements of f32 are computed in f64 and rounded once, forward and backward, as
// small products are (tensor/gemm/exact_sums.h), in two to four times f32's time: models so small are there to be
// checked.
//
// bf16: scores, softmax and all sums are f32, results are rounded when they are stored, and log_sum_exp is f32. Where
// the instruction set multiplies pairs of bf16, P and dS are rounded to bf16 as factors of P V, Pᵀ dO, dS K and dSᵀ Q,
// which adds 2^-8 of the sum of the terms' magnitudes to an element's error.
AttentionResult attention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& cu_queries,
                          const Tensor& cu_keys, const AttentionOptions& options);

// Overwrites dq, dk and dv: tensors of the shapes of q, k and v whose rows have their elements side by side.
void attention_backward(const Tensor& dout, const Tensor& q, const Tensor& k, const Tensor& v,
                        const AttentionResult& forward, const Tensor& cu_queries, const Tensor& cu_keys,
                        const AttentionOptions& options, Tensor dq, Tensor dk, Tensor dv);

// The probabilities P of self-attention on qkv [tokens, 3 · heads · d_h], for pictures: flat f32 [Σ L_s²], the [L_s,
// L_s] matrices (query, key) one after another. head = -1: the mean over heads; else of that head.
Tensor attention_weights(const Tensor& qkv, const Tensor& cu_seqlens, int64_t heads, int64_t head = -1);

}  // namespace tessera::ops
