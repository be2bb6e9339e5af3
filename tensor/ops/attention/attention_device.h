// Attention of tensors on a GPU: what ops::attention, ops::attention_backward and ops::attention_weights do there once
// shapes and marks have been checked. Arguments are those of tensor/ops/attention/attention.h; of q, k, v and dout the
// elements of a row lie side by side; marks are the host's.
#pragma once

#include "tensor/ops/attention/attention.h"
#include "tensor/ops/attention/attention_tiles.h"

namespace tessera::cuda {

struct AttentionMarks {
  const Tensor &queries, &keys;
};

void attention_forward(const ops::attention_detail::Sizes& sizes, const AttentionMarks& marks, const Tensor& q,
                       const Tensor& k, const Tensor& v, ops::AttentionResult& result);

struct AttentionGradients {
  Tensor &dq, &dk, &dv;
};
void attention_gradients(const ops::attention_detail::Sizes& sizes, const AttentionMarks& marks, const Tensor& dout,
                         const Tensor& q, const Tensor& k, const Tensor& v, const ops::AttentionResult& forward,
                         const AttentionGradients& gradients);

// `offsets`: where each sequence's matrix begins in `weights`. head = -1: the mean over all heads.
void attention_weights(const Tensor& qkv, const Tensor& cu_seqlens, std::span<const int64_t> marks,
                       std::span<const int64_t> offsets, int64_t heads, int64_t head, Tensor& weights);

}  // namespace tessera::cuda
