// ops::attention in bf16 on tensor cores. The same algorithm as tensor/ops/attention/attention.cu, in tiles of 64
// queries by 64 keys: while a tile is worked on, the next one is on its way from memory.
#include "tensor/ops/attention/attention_mma_tiles.h"

namespace tessera::cuda {
namespace {

constexpr int kForwardKeys = 64;

// In dynamic shared memory: two stages of keys and values. The queries come through the second one's keys first.
template <int d>
struct ForwardStages {
  static constexpr int kTile = kTileElements<d, kForwardKeys>;
  static constexpr size_t kBytes = 4 * kTile * sizeof(bf16);

  __device__ static bf16* keys(int stage) { return simt::dynamic_shared<bf16>() + 2 * stage * kTile; }
  __device__ static bf16* values(int stage) { return keys(stage) + kTile; }
};

// Maximum and sum of the lane's two rows so far; a lane's sums are of its own columns.
struct RunningRows {
  float most[2] = {-INFINITY, -INFINITY}, sum[2] = {};

  // Scores (-inf where a key is not seen) → exp(scale · (score - maximum)), in place; what was summed before is brought
  // to the new maximum.
  template <int kTiles, int kSums>
  __device__ __forceinline__ void add(float (&scores)[kTiles][4], float (&sums)[kSums][4], float scale_log2) {
    TESSERA_UNROLL
    for (int half = 0; half < 2; ++half) {
      float top = most[half];
      TESSERA_UNROLL
      for (int n = 0; n < kTiles; ++n) top = fmaxf(top, fmaxf(scores[n][2 * half], scores[n][2 * half + 1]));
      top = max_of_four(top);
      const float base = top == -INFINITY ? 0.0f : top * scale_log2;
      const float shrink = fast_exp2(most[half] * scale_log2 - base);
      most[half] = top;
      sum[half] *= shrink;
      TESSERA_UNROLL
      for (int n = 0; n < kSums; ++n) {
        sums[n][2 * half] *= shrink;
        sums[n][2 * half + 1] *= shrink;
      }
      TESSERA_UNROLL
      for (int n = 0; n < kTiles; ++n)
        for (int i = 2 * half; i < 2 * half + 2; ++i) {
          scores[n][i] = fast_exp2(scores[n][i] * scale_log2 - base);
          sum[half] += scores[n][i];
        }
    }
  }

  __device__ __forceinline__ void finish() {
    for (int half = 0; half < 2; ++half)
      for (int bit = 1; bit < 4; bit *= 2) sum[half] += __shfl_xor_sync(kAllLanes, sum[half], bit);
  }

 private:
  // Lanes 4 g .. 4 g + 3 share rows.
  __device__ static __forceinline__ float max_of_four(float value) {
    value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, 1));
    return fmaxf(value, __shfl_xor_sync(kAllLanes, value, 2));
  }
};

template <int d>
__global__ void __launch_bounds__(kMmaThreads, d <= 64 ? 4 : 2)
    attention_mma_kernel(AttentionRows<const bf16> q, AttentionRows<const bf16> k, AttentionRows<const bf16> v,
                         AttentionRows<bf16> out, float* log_sum_exp, AttentionSizes sizes, float scale) {
  using Stages = ForwardStages<d>;
  const int head = static_cast<int>(blockIdx.y), column = head * d;
  const int query0 = static_cast<int>(blockIdx.x) * kMmaOwned;
  const Sequence sequence(sizes, blockIdx.z);
  if (query0 >= sequence.queries) return;
  const int queries = min(kMmaOwned, sequence.queries - query0), keys = sequence.visible(query0 + queries - 1);
  AsyncCopies copies;
  const auto copy_stage = [&](int key0, int stage) {
    const int count = min(kForwardKeys, keys - key0);
    copy_tile<d, kForwardKeys>(copies, k, sequence.first_key + key0, count, column, Stages::keys(stage));
    copy_tile<d, kForwardKeys>(copies, v, sequence.first_key + key0, count, column, Stages::values(stage));
  };
  copy_tile<d, kMmaOwned>(copies, q, sequence.first_query + query0, queries, column, Stages::keys(1));
  if (keys > 0) copy_stage(0, 0);
  copies.wait();
  __syncthreads();
  const int first_row = warp_index() * 16;
  const OwnRows<d, true> own(Stages::keys(1) + first_row * kTileStride<d>);
  __syncthreads();  // the second stage is free

  RunningRows rows;
  float sums[d / 8][4] = {};
  const int g = lane_index() / 4, row0 = query0 + first_row;
  for (int key0 = 0, stage = 0; key0 < keys; key0 += kForwardKeys, stage ^= 1) {
    if (key0 + kForwardKeys < keys) copy_stage(key0 + kForwardKeys, stage ^ 1);
    float scores[kForwardKeys / 8][4];
    products_with_rows<d, kForwardKeys>(own, Stages::keys(stage), scores);
    if (key0 + kForwardKeys > sequence.visible(row0)) {
      const int visible[2] = {sequence.visible(row0 + g) - key0, sequence.visible(row0 + g + 8) - key0};
      hide_scores(scores, [&](int half, int key) { return key >= visible[half]; });
    }
    rows.add(scores, sums, scale * kLog2e);
    add_products<d, kForwardKeys>(scores, Stages::values(stage), sums);
    copies.wait();
    __syncthreads();  // the next tile is there, and this one has been read
  }

  rows.finish();
  const float factors[2] = {rows.sum[0] > 0 ? 1 / rows.sum[0] : 0, rows.sum[1] > 0 ? 1 / rows.sum[1] : 0};
  store_sums<d>(sums, factors, out, sequence.first_query + row0, queries - first_row, column);
  if (lane_index() % 4 != 0) return;
  for (int half = 0; half < 2; ++half) {
    const int row = first_row + g + 8 * half;
    if (row < queries)
      log_sum_exp[(sequence.first_query + query0 + row) * sizes.heads + head] =
          rows.sum[half] > 0 ? rows.most[half] * scale + logf(rows.sum[half]) : -INFINITY;
  }
}

}  // namespace

bool tensor_cores_take(int64_t head_size, std::initializer_list<AttentionRows<const bf16>> rows) {
  bool takes = head_size == 16 || head_size == 32 || head_size == 64 || head_size == 96 || head_size == 128;
  for (const AttentionRows<const bf16>& x : rows)
    takes = takes && reinterpret_cast<uintptr_t>(x.data) % 16 == 0 && x.stride % 8 == 0;
  return takes;
}

void attention_tensor_cores(AttentionRows<const bf16> q, AttentionRows<const bf16> k, AttentionRows<const bf16> v,
                            AttentionRows<bf16> out, float* log_sum_exp, const AttentionSizes& sizes) {
  with_head_size(sizes.head_size, [&](auto head_size) {
    constexpr int d = decltype(head_size)::value;
    simt::launch<attention_mma_kernel<d>>(mma_grid(sizes, sizes.most_queries), kMmaThreads, ForwardStages<d>::kBytes, q,
                                          k, v, out, log_sum_exp, sizes, attention_scale(sizes));
  });
}

}  // namespace tessera::cuda
