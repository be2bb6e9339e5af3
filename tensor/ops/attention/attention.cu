// ops::attention on the GPU, flash style, in f32 arithmetic: the readable twin of attention_tensor_cores.cu.
#include <cstdlib>
#include <string_view>

#include "tensor/ops/attention/attention_kernel_tiles.h"
#include "tensor/ops/attention/attention_kernels.h"

namespace tessera::cuda {
namespace {

// In dynamic shared memory, floats. Keys have one column more, against bank conflicts.
struct ForwardTiles {
  int d;

  __device__ float* queries() const { return simt::dynamic_shared<float>(); }  // [kOwned, d]
  __device__ float* keys() const { return queries() + kOwned * d; }            // [kPassed, d + 1]
  __device__ float* values() const { return keys() + kPassed * (d + 1); }      // [kPassed, d]
  __device__ float* probabilities() const { return values() + kPassed * d; }   // [kOwned, kPassed]
  static size_t bytes(int64_t d) {
    return static_cast<size_t>(kOwned * d + kPassed * (d + 1) + kPassed * d + kOwned * kPassed) * sizeof(float);
  }
};

// Softmax over all tiles of keys in one pass: a tile with a larger maximum scales what has been summed.
template <int kColumns>
struct RunningRow {
  float most = -INFINITY, sum = 0, out[kColumns] = {};

  // Takes the scores of a tile, one for each lane (-inf where a key is not seen); returns their exponentials.
  __device__ float add(float score) {
    const float top = fmaxf(most, warp_max(score));
    if (top == -INFINITY) return 0;
    const float shrink = expf(most - top), p = expf(score - top);
    most = top;
    sum = sum * shrink + warp_sum(p);
    for (int c = 0; c < kColumns; ++c) out[c] *= shrink;
    return p;
  }
};

template <class T, int kColumns, bool kDrops>
__global__ void __launch_bounds__(kAttentionThreads)
    attention_kernel(AttentionRows<const T> q, AttentionRows<const T> k, AttentionRows<const T> v, AttentionRows<T> out,
                     float* log_sum_exp, AttentionSizes sizes, float scale, Mask mask) {
  const int d = static_cast<int>(sizes.head_size), head = static_cast<int>(blockIdx.y), column = head * d;
  const int query0 = static_cast<int>(blockIdx.x) * kOwned;
  const Sequence sequence(sizes, blockIdx.z);
  if (query0 >= sequence.queries) return;
  const int queries = min(kOwned, sequence.queries - query0), keys = sequence.visible(query0 + queries - 1);
  const ForwardTiles tiles{d};
  load_tile(q.data, q.stride, sequence.first_query + query0, queries, kOwned, column, d, scale, tiles.queries(), d);

  RunningRow<kColumns> rows[kPerWarp];
  const int lane = lane_index(), first_row = warp_index() * kPerWarp;
  for (int key0 = 0; key0 < keys; key0 += kPassed) {
    __syncthreads();  // the tile before has been read
    const int count = min(kPassed, keys - key0);
    load_tile(k.data, k.stride, sequence.first_key + key0, count, kPassed, column, d, 1.0f, tiles.keys(), d + 1);
    load_tile(v.data, v.stride, sequence.first_key + key0, count, kPassed, column, d, 1.0f, tiles.values(), d);
    __syncthreads();
    for (int r = 0; r < kPerWarp; ++r) {
      const int row = first_row + r;
      const bool seen = row < queries && key0 + lane < sequence.visible(query0 + row);
      const float score = dot(tiles.queries() + row * d, tiles.keys() + lane * (d + 1), d);
      float p = rows[r].add(seen ? score : -INFINITY);
      if constexpr (kDrops)
        p = dropped(mask, first_word(sequence.first_query + query0 + row, sizes.heads, head) + key0 + lane, p);
      tiles.probabilities()[row * kPassed + lane] = p;
    }
    __syncwarp();
    for (int r = 0; r < kPerWarp; ++r)
      add_rows(tiles.probabilities() + (first_row + r) * kPassed, tiles.values(), d, d, rows[r].out);
  }

  for (int r = 0; r < kPerWarp && first_row + r < queries; ++r) {
    const int64_t token = sequence.first_query + query0 + first_row + r;
    const bool sees = rows[r].sum > 0;
    store_row(rows[r].out, sees ? 1 / rows[r].sum : 0.0f, out.data + token * out.stride + column, d);
    if (lane == 0) log_sum_exp[token * sizes.heads + head] = sees ? rows[r].most + logf(rows[r].sum) : -INFINITY;
  }
}

}  // namespace

template <class T>
void attention_plain(AttentionRows<const T> q, AttentionRows<const T> k, AttentionRows<const T> v, AttentionRows<T> out,
                     float* log_sum_exp, const AttentionSizes& sizes) {
  const Mask mask("attention", sizes.p, sizes.ticket);
  with_columns(sizes.head_size, [&](auto columns) {
    with_dropout(sizes, [&](auto drops) {
      simt::launch<attention_kernel<T, decltype(columns)::value, decltype(drops)::value>>(
          attention_grid(sizes, sizes.most_queries), kAttentionThreads, ForwardTiles::bytes(sizes.head_size), q, k, v,
          out, log_sum_exp, sizes, attention_scale(sizes), mask);
    });
  });
}

bool tensor_cores_wanted() {
#ifdef __CUDACC__
  constexpr bool kBest = true;
#else
  constexpr bool kBest = false;
#endif
  const char* setting = std::getenv("TESSERA_ATTENTION");
  const std::string_view name = setting ? setting : "";
  if (name.empty() || name == "auto") return kBest;
  check(name == "plain" || name == "tensor-cores", "TESSERA_ATTENTION is '", name,
        "', expected auto, plain or tensor-cores");
  return name == "tensor-cores";
}

template <class T>
void attention(AttentionRows<const T> q, AttentionRows<const T> k, AttentionRows<const T> v, AttentionRows<T> out,
               float* log_sum_exp, const AttentionSizes& sizes) {
  if constexpr (std::is_same_v<T, bf16>)
    if (sizes.p == 0 && tensor_cores_wanted() && tensor_cores_take(sizes.head_size, {q, k, v, {out.data, out.stride}}))
      return attention_tensor_cores(q, k, v, out, log_sum_exp, sizes);
  attention_plain<T>(q, k, v, out, log_sum_exp, sizes);
}

#define TESSERA_ATTENTION(name, T)                                                                                     \
  template void name(AttentionRows<const T>, AttentionRows<const T>, AttentionRows<const T>, AttentionRows<T>, float*, \
                     const AttentionSizes&);
TESSERA_ATTENTION(attention, float)
TESSERA_ATTENTION(attention, bf16)
TESSERA_ATTENTION(attention_plain, float)
TESSERA_ATTENTION(attention_plain, bf16)
#undef TESSERA_ATTENTION

}  // namespace tessera::cuda
