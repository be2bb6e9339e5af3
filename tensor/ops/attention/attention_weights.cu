// ops::attention_weights on the GPU: a warp for each query, its keys shared out over the lanes. For pictures, not for
// training: scores are computed anew for their maximum, for their sum and for the result, and nothing is tiled.
#include "tensor/ops/attention/attention_kernel_tiles.h"
#include "tensor/ops/attention/attention_kernels.h"

namespace tessera::cuda {
namespace {

template <class T>
__device__ float score(const float* query, const T* key, int d) {
  float sum = 0;
  for (int c = 0; c < d; ++c) sum += query[c] * simt::to_float(key[c]);
  return sum;
}

template <class T>
__global__ void __launch_bounds__(kAttentionThreads)
    attention_weights_kernel(AttentionRows<const T> q, AttentionRows<const T> k, float* weights,
                             AttentionWeightsSizes sizes, float scale) {
  const int64_t sequence = blockIdx.z, first = sizes.marks[sequence], tokens = sizes.marks[sequence + 1] - first;
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kAttentionWarps + warp_index();
  if (row >= tokens) return;  // the whole warp; no barrier of the block follows
  const int d = static_cast<int>(sizes.head_size), lane = lane_index();
  float* query = simt::dynamic_shared<float>() + warp_index() * d;
  float* to = weights + sizes.offsets[sequence] + row * tokens;
  for (int64_t h = 0; h < sizes.heads; ++h) {
    const int64_t column = (sizes.first_head + h) * d;
    __syncwarp();  // the head before has been read
    for (int c = lane; c < d; c += 32) query[c] = simt::to_float(q.data[(first + row) * q.stride + column + c]) * scale;
    __syncwarp();
    const T* keys = k.data + first * k.stride + column;
    float most = -INFINITY, sum = 0;
    for (int64_t j = lane; j < tokens; j += 32) most = fmaxf(most, score(query, keys + j * k.stride, d));
    most = warp_max(most);
    for (int64_t j = lane; j < tokens; j += 32) sum += expf(score(query, keys + j * k.stride, d) - most);
    const float factor = 1 / (warp_sum(sum) * static_cast<float>(sizes.heads));
    for (int64_t j = lane; j < tokens; j += 32) {
      const float p = expf(score(query, keys + j * k.stride, d) - most) * factor;
      to[j] = h == 0 ? p : to[j] + p;
    }
  }
}

}  // namespace

template <class T>
void attention_weights(AttentionRows<const T> q, AttentionRows<const T> k, float* weights,
                       const AttentionWeightsSizes& sizes) {
  const dim3 grid(blocks_for(sizes.most_tokens, kAttentionWarps), 1, static_cast<unsigned>(sizes.sequences));
  const size_t bytes = static_cast<size_t>(kAttentionWarps * sizes.head_size) * sizeof(float);
  const float scale = 1 / std::sqrt(static_cast<float>(sizes.head_size));
  simt::launch<attention_weights_kernel<T>>(grid, kAttentionThreads, bytes, q, k, weights, sizes, scale);
}

template void attention_weights(AttentionRows<const float>, AttentionRows<const float>, float*,
                                const AttentionWeightsSizes&);
template void attention_weights(AttentionRows<const bf16>, AttentionRows<const bf16>, float*,
                                const AttentionWeightsSizes&);

}  // namespace tessera::cuda
