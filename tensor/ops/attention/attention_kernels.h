// The kernels of tensor/ops/attention/attention.h. attention and attention_backward choose between two kinds: bf16 is
// computed on tensor cores wherever they apply; the plain kernels are the reference, and what runs elsewhere. The
// environment variable TESSERA_ATTENTION says otherwise: `auto` (as if it were not set), `plain` or `tensor-cores`.
// Emulation runs the plain kernels faster, so that there `auto` is `plain`.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "tensor/dtype.h"
#include "tensor/philox.h"

namespace tessera::cuda {

// Rows `stride` elements apart, so that q, k and v may be parts of one fused projection.
template <class T>
struct AttentionRows {
  T* data;
  int64_t stride;
};

// cu_queries and cu_keys [sequences + 1] lie on the device; the largest lengths and the number of query tokens are the
// host's.
struct AttentionSizes {
  const int64_t *cu_queries, *cu_keys;
  int64_t sequences, query_tokens, most_queries, most_keys;
  int64_t heads, head_size;  // head_size <= 128
  bool causal;
  double p = 0;  // of the probabilities' dropout
  Ticket ticket = {};
};

// q, out [query tokens, heads · head_size], k, v [key tokens, ...], log_sum_exp [query tokens, heads].
template <class T>
void attention(AttentionRows<const T> q, AttentionRows<const T> k, AttentionRows<const T> v, AttentionRows<T> out,
               float* log_sum_exp, const AttentionSizes& sizes);
// row_dots [query tokens, heads] is workspace. In bf16 the tensor cores take what they can and round probabilities and
// their gradients (see below); the plain kernels round neither.
template <class T>
void attention_backward(AttentionRows<const T> dout, AttentionRows<const T> q, AttentionRows<const T> k,
                        AttentionRows<const T> v, AttentionRows<const T> out, const float* log_sum_exp,
                        AttentionRows<T> dq, AttentionRows<T> dk, AttentionRows<T> dv, float* row_dots,
                        const AttentionSizes& sizes);

// Attention of bf16 on tensor cores. Probabilities and their gradients are rounded to bf16 as factors of P V, Pᵀ dO,
// dS K and dSᵀ Q, which adds 2^-8 of the sum of the terms' magnitudes to an element's error; scores, softmax and sums
// are f32. log_sum_exp is the same as the plain kernels', so that a forward of one kind and a backward of the other go
// together.
//
// Whether TESSERA_ATTENTION lets them be used.
bool tensor_cores_wanted();
// Whether they take these rows: a head size of 16, 32, 64, 96 or 128, and rows that begin at multiples of 16 bytes.
// Dropout of probabilities they do not know: with it the plain kernels are called.
bool tensor_cores_take(int64_t head_size, std::initializer_list<AttentionRows<const bf16>> rows);

void attention_tensor_cores(AttentionRows<const bf16> q, AttentionRows<const bf16> k, AttentionRows<const bf16> v,
                            AttentionRows<bf16> out, float* log_sum_exp, const AttentionSizes& sizes);
void attention_tensor_cores_backward(AttentionRows<const bf16> dout, AttentionRows<const bf16> q,
                                     AttentionRows<const bf16> k, AttentionRows<const bf16> v,
                                     AttentionRows<const bf16> out, const float* log_sum_exp, AttentionRows<bf16> dq,
                                     AttentionRows<bf16> dk, AttentionRows<bf16> dv, float* row_dots,
                                     const AttentionSizes& sizes);

// The plain kernels, whatever the tensor cores would take. T is float or bf16.
template <class T>
void attention_plain(AttentionRows<const T> q, AttentionRows<const T> k, AttentionRows<const T> v, AttentionRows<T> out,
                     float* log_sum_exp, const AttentionSizes& sizes);
template <class T>
void attention_plain_backward(AttentionRows<const T> dout, AttentionRows<const T> q, AttentionRows<const T> k,
                              AttentionRows<const T> v, AttentionRows<const T> out, const float* log_sum_exp,
                              AttentionRows<T> dq, AttentionRows<T> dk, AttentionRows<T> dv, float* row_dots,
                              const AttentionSizes& sizes);

// row_dots [query tokens, heads] = dout · out, which both backwards begin with.
template <class T>
void attention_row_dots(AttentionRows<const T> dout, AttentionRows<const T> out, float* row_dots,
                        const AttentionSizes& sizes);

// weights: the matrices [L_s, L_s], one after another, of which that of sequence s begins at offsets[s]: the mean of P
// over the heads first_head .. first_head + heads - 1. q and k are rows of all heads; marks and offsets [sequences + 1]
// lie on the device.
struct AttentionWeightsSizes {
  const int64_t *marks, *offsets;
  int64_t sequences, most_tokens, head_size, first_head, heads;
};
template <class T>
void attention_weights(AttentionRows<const T> q, AttentionRows<const T> k, float* weights,
                       const AttentionWeightsSizes& sizes);

}  // namespace tessera::cuda
