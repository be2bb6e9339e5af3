#include <vector>

#include "tensor/cuda/has_cuda.h"
#include "tensor/ops/attention/attention.h"
#include "tensor/ops/attention/attention_device.h"
#include "tensor/ops/attention/attention_tiles.h"
#include "tensor/ops/ragged.h"
#include "tensor/parallel.h"

namespace tessera::ops {
namespace {

using namespace attention_detail;

// Adds factor · P of one head to `weights` [tokens, tokens].
template <class E, class T = Arithmetic<E>>
void add_weights(const E* q, const E* k, int64_t stride, int64_t tokens, int64_t head_size, double scale, double factor,
                 float* weights) {
  const int64_t length = simd::padded<T>(tokens), width = simd::padded<T>(head_size);
  Scratch scratch =
      Scratch::of_this_thread(Scratch::bytes_for<T>(head_size * length) + Scratch::bytes_for<T>(kForwardTile * length) +
                              Scratch::bytes_for<T>(kForwardTile * width));
  T* keys = scratch.take<T>(head_size * length);
  T* scores = scratch.take<T>(kForwardTile * length);
  T* queries = scratch.take<T>(kForwardTile * width);
  simd::pack_transposed(k, stride, tokens, head_size, static_cast<T>(scale), keys);
  for (int64_t i = 0; i < tokens; i += kForwardTile) {
    const int64_t rows = std::min(kForwardTile, tokens - i);
    simd::pack_rows(q + i * stride, stride, rows, head_size, queries);
    simd::product<T>({queries, width, 1}, keys, length, scores, length, rows, tokens, head_size, false);
    for (int64_t r = 0; r < rows; ++r)
      subtract(scores + r * length, tokens, length, largest(scores + r * length, tokens));
    exponentials(scores, rows, length);
    for (int64_t r = 0; r < rows; ++r) {
      const T* row = scores + r * length;
      const double norm = factor / static_cast<double>(simd::sum(row, tokens));
      float* to = weights + (i + r) * tokens;
      for (int64_t j = 0; j < tokens; ++j) to[j] += static_cast<float>(norm * static_cast<double>(row[j]));
    }
  }
}

}  // namespace

Tensor attention_weights(const Tensor& qkv_any, const Tensor& cu_seqlens, int64_t heads, int64_t head) {
  constexpr const char* kAttentionWeightsOp = "attention_weights";
  check(qkv_any.defined() && qkv_any.dim() == 2, kAttentionWeightsOp, ": qkv is ", describe(qkv_any),
        ", expected [tokens, 3 · heads · head size]");
  check(heads >= 1 && qkv_any.size(1) > 0 && qkv_any.size(1) % (3 * heads) == 0, kAttentionWeightsOp, ": width ",
        qkv_any.size(1), " does not divide into 3 · ", heads, " heads");
  check(head >= -1 && head < heads, kAttentionWeightsOp, ": head is ", head, ", expected -1 (mean) or less than ",
        heads);
  const Tensor qkv = with_plain_rows(qkv_any);
  const auto marks = check_marks(kAttentionWeightsOp, "cu_seqlens", cu_seqlens, qkv.size(0));
  const std::vector<int64_t> offsets = matrix_offsets(marks, marks);
  if constexpr (kHasCuda)
    if (qkv.on_cuda()) {
      Tensor weights = Tensor::empty({offsets.back()}, DType::f32, qkv.device());
      cuda::attention_weights(qkv, cu_seqlens, marks, offsets, heads, head, weights);
      return weights;
    }
  Tensor weights = Tensor::zeros({offsets.back()});
  float* to = weights.mutable_data<float>();
  const int64_t width = qkv.size(1) / 3, head_size = width / heads;
  const double scale = 1 / std::sqrt(static_cast<double>(head_size));
  dispatch_activation(kAttentionWeightsOp, qkv.dtype(), [&](auto tag) {
    using E = decltype(tag);
    const E* data = qkv.data<E>();
    parallel_chunks(static_cast<int64_t>(marks.size()) - 1, [&](int64_t s) {
      const E* q = data + marks[s] * qkv.stride(0);
      for (int64_t h = head < 0 ? 0 : head; h < (head < 0 ? heads : head + 1); ++h)
        add_weights(q + h * head_size, q + width + h * head_size, qkv.stride(0), marks[s + 1] - marks[s], head_size,
                    scale, head < 0 ? 1 / static_cast<double>(heads) : 1.0, to + offsets[static_cast<size_t>(s)]);
    });
  });
  return weights;
}

}  // namespace tessera::ops
