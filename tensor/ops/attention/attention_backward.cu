// The gradient of ops::attention on the GPU. Probabilities are computed again from log_sum_exp, tile by tile. One
// kernel goes along the keys and writes dq, one goes along the queries and writes dk and dv: twice the scores, but each
// gradient is summed in one place, in the order of the tiles.
#include "tensor/ops/attention/attention_kernel_tiles.h"
#include "tensor/ops/attention/attention_kernels.h"

namespace tessera::cuda {
namespace {

// In dynamic shared memory, floats: two matrices of owned rows, two of passed ones (with a column more), two of owned
// by passed, and two numbers for each passed row.
struct BackwardTiles {
  int d;

  __device__ float* owned(int which) const { return simt::dynamic_shared<float>() + which * kOwned * d; }
  __device__ float* passed(int which) const { return owned(2) + which * kPassed * (d + 1); }
  __device__ float* pairs(int which) const { return passed(2) + which * kOwned * kPassed; }
  __device__ float* numbers(int which) const { return pairs(2) + which * kPassed; }
  static size_t bytes(int64_t d) {
    return static_cast<size_t>(2 * (kOwned * d + kPassed * (d + 1) + kOwned * kPassed + kPassed)) * sizeof(float);
  }
};

// row_dots [tokens, heads] = dout · out: a warp for each.
template <class T>
__global__ void __launch_bounds__(kAttentionThreads)
    row_dots_kernel(AttentionRows<const T> dout, AttentionRows<const T> out, float* row_dots, int64_t tokens,
                    int64_t heads, int d) {
  const int64_t at = static_cast<int64_t>(blockIdx.x) * kAttentionWarps + warp_index();
  if (at >= tokens * heads) return;
  const int64_t token = at / heads, column = at % heads * d;
  float sum = 0;
  const T *a = dout.data + token * dout.stride + column, *b = out.data + token * out.stride + column;
  for (int c = lane_index(); c < d; c += 32) sum += simt::to_float(a[c]) * simt::to_float(b[c]);
  sum = warp_sum(sum);
  if (lane_index() == 0) row_dots[at] = sum;
}

// Owned: queries and dout. Passed: keys and values.
template <class T, int kColumns, bool kDrops>
__global__ void __launch_bounds__(kAttentionThreads)
    attention_dq_kernel(AttentionRows<const T> dout, AttentionRows<const T> q, AttentionRows<const T> k,
                        AttentionRows<const T> v, const float* log_sum_exp, const float* row_dots, AttentionRows<T> dq,
                        AttentionSizes sizes, float scale, Mask mask) {
  const int d = static_cast<int>(sizes.head_size), head = static_cast<int>(blockIdx.y), column = head * d;
  const int query0 = static_cast<int>(blockIdx.x) * kOwned;
  const Sequence sequence(sizes, blockIdx.z);
  if (query0 >= sequence.queries) return;
  const int queries = min(kOwned, sequence.queries - query0), keys = sequence.visible(query0 + queries - 1);
  const int64_t first_query = sequence.first_query + query0;
  const BackwardTiles tiles{d};
  load_tile(q.data, q.stride, first_query, queries, kOwned, column, d, scale, tiles.owned(0), d);
  load_tile(dout.data, dout.stride, first_query, queries, kOwned, column, d, 1.0f, tiles.owned(1), d);

  const int lane = lane_index(), first_row = warp_index() * kPerWarp;
  float sums[kPerWarp][kColumns] = {};
  for (int key0 = 0; key0 < keys; key0 += kPassed) {
    __syncthreads();
    const int count = min(kPassed, keys - key0);
    load_tile(k.data, k.stride, sequence.first_key + key0, count, kPassed, column, d, 1.0f, tiles.passed(0), d + 1);
    load_tile(v.data, v.stride, sequence.first_key + key0, count, kPassed, column, d, 1.0f, tiles.passed(1), d + 1);
    __syncthreads();
    for (int r = 0; r < kPerWarp; ++r) {
      const int row = first_row + r;
      float ds = 0;
      if (row < queries && key0 + lane < sequence.visible(query0 + row)) {
        const int64_t at = (first_query + row) * sizes.heads + head;
        const float p = expf(dot(tiles.owned(0) + row * d, tiles.passed(0) + lane * (d + 1), d) - log_sum_exp[at]);
        float dp = dot(tiles.owned(1) + row * d, tiles.passed(1) + lane * (d + 1), d);
        if constexpr (kDrops) dp = dropped(mask, first_word(first_query + row, sizes.heads, head) + key0 + lane, dp);
        ds = p * (dp - row_dots[at]);
      }
      tiles.pairs(0)[row * kPassed + lane] = ds;
    }
    __syncwarp();
    for (int r = 0; r < kPerWarp; ++r)
      add_rows(tiles.pairs(0) + (first_row + r) * kPassed, tiles.passed(0), d + 1, d, sums[r]);
  }
  for (int r = 0; r < kPerWarp && first_row + r < queries; ++r)
    store_row(sums[r], scale, dq.data + (first_query + first_row + r) * dq.stride + column, d);
}

// Owned: keys and values. Passed: queries and dout, with their log_sum_exp and row_dots.
template <class T, int kColumns, bool kDrops>
__global__ void __launch_bounds__(kAttentionThreads)
    attention_dkv_kernel(AttentionRows<const T> dout, AttentionRows<const T> q, AttentionRows<const T> k,
                         AttentionRows<const T> v, const float* log_sum_exp, const float* row_dots, AttentionRows<T> dk,
                         AttentionRows<T> dv, AttentionSizes sizes, float scale, Mask mask) {
  const int d = static_cast<int>(sizes.head_size), head = static_cast<int>(blockIdx.y), column = head * d;
  const int key0 = static_cast<int>(blockIdx.x) * kOwned;
  const Sequence sequence(sizes, blockIdx.z);
  if (key0 >= sequence.keys) return;
  const int keys = min(kOwned, sequence.keys - key0);
  const int64_t first_key = sequence.first_key + key0;
  const BackwardTiles tiles{d};
  load_tile(k.data, k.stride, first_key, keys, kOwned, column, d, scale, tiles.owned(0), d);
  load_tile(v.data, v.stride, first_key, keys, kOwned, column, d, 1.0f, tiles.owned(1), d);

  const int lane = lane_index(), first_row = warp_index() * kPerWarp;
  float dk_sums[kPerWarp][kColumns] = {}, dv_sums[kPerWarp][kColumns] = {};
  for (int query0 = 0; query0 < sequence.queries; query0 += kPassed) {
    const int count = min(kPassed, sequence.queries - query0);
    if (sequence.visible(query0 + count - 1) <= key0) continue;  // the same for all threads
    __syncthreads();
    const int64_t first_query = sequence.first_query + query0;
    load_tile(q.data, q.stride, first_query, count, kPassed, column, d, 1.0f, tiles.passed(0), d + 1);
    load_tile(dout.data, dout.stride, first_query, count, kPassed, column, d, 1.0f, tiles.passed(1), d + 1);
    if (const int t = static_cast<int>(threadIdx.x); t < count) {
      tiles.numbers(0)[t] = log_sum_exp[(first_query + t) * sizes.heads + head];
      tiles.numbers(1)[t] = row_dots[(first_query + t) * sizes.heads + head];
    }
    __syncthreads();
    for (int r = 0; r < kPerWarp; ++r) {
      const int row = first_row + r;
      float p = 0, ds = 0;
      if (lane < count && row < keys && key0 + row < sequence.visible(query0 + lane)) {
        p = expf(dot(tiles.owned(0) + row * d, tiles.passed(0) + lane * (d + 1), d) - tiles.numbers(0)[lane]);
        float dp = dot(tiles.owned(1) + row * d, tiles.passed(1) + lane * (d + 1), d);
        const float whole = p;
        if constexpr (kDrops) {
          const int64_t word = first_word(first_query + lane, sizes.heads, head) + key0 + row;
          dp = dropped(mask, word, dp);
          p = dropped(mask, word, p);
        }
        ds = whole * (dp - tiles.numbers(1)[lane]);
      }
      tiles.pairs(0)[row * kPassed + lane] = p;
      tiles.pairs(1)[row * kPassed + lane] = ds;
    }
    __syncwarp();
    for (int r = 0; r < kPerWarp; ++r) {
      add_rows(tiles.pairs(0) + (first_row + r) * kPassed, tiles.passed(1), d + 1, d, dv_sums[r]);
      add_rows(tiles.pairs(1) + (first_row + r) * kPassed, tiles.passed(0), d + 1, d, dk_sums[r]);
    }
  }
  for (int r = 0; r < kPerWarp && first_row + r < keys; ++r) {
    store_row(dk_sums[r], scale, dk.data + (first_key + first_row + r) * dk.stride + column, d);
    store_row(dv_sums[r], 1.0f, dv.data + (first_key + first_row + r) * dv.stride + column, d);
  }
}

}  // namespace

template <class T>
void attention_row_dots(AttentionRows<const T> dout, AttentionRows<const T> out, float* row_dots,
                        const AttentionSizes& sizes) {
  simt::launch<row_dots_kernel<T>>(blocks_for(sizes.query_tokens * sizes.heads, kAttentionWarps), kAttentionThreads, 0,
                                   dout, out, row_dots, sizes.query_tokens, sizes.heads,
                                   static_cast<int>(sizes.head_size));
}

template <class T>
void attention_plain_backward(AttentionRows<const T> dout, AttentionRows<const T> q, AttentionRows<const T> k,
                              AttentionRows<const T> v, AttentionRows<const T> out, const float* log_sum_exp,
                              AttentionRows<T> dq, AttentionRows<T> dk, AttentionRows<T> dv, float* row_dots,
                              const AttentionSizes& sizes) {
  const float scale = attention_scale(sizes);
  attention_row_dots<T>(dout, out, row_dots, sizes);
  const Mask mask("attention", sizes.p, sizes.ticket);
  const size_t bytes = BackwardTiles::bytes(sizes.head_size);
  with_columns(sizes.head_size, [&](auto columns) {
    with_dropout(sizes, [&](auto drops) {
      constexpr int n = decltype(columns)::value;
      constexpr bool kDrops = decltype(drops)::value;
      const dim3 query_grid = attention_grid(sizes, sizes.most_queries),
                 key_grid = attention_grid(sizes, sizes.most_keys);
      simt::launch<attention_dq_kernel<T, n, kDrops>>(query_grid, kAttentionThreads, bytes, dout, q, k, v, log_sum_exp,
                                                      row_dots, dq, sizes, scale, mask);
      simt::launch<attention_dkv_kernel<T, n, kDrops>>(key_grid, kAttentionThreads, bytes, dout, q, k, v, log_sum_exp,
                                                       row_dots, dk, dv, sizes, scale, mask);
    });
  });
}

template <class T>
void attention_backward(AttentionRows<const T> dout, AttentionRows<const T> q, AttentionRows<const T> k,
                        AttentionRows<const T> v, AttentionRows<const T> out, const float* log_sum_exp,
                        AttentionRows<T> dq, AttentionRows<T> dk, AttentionRows<T> dv, float* row_dots,
                        const AttentionSizes& sizes) {
  if constexpr (std::is_same_v<T, bf16>) {
    const auto read = [](const AttentionRows<T>& x) { return AttentionRows<const T>{x.data, x.stride}; };
    if (sizes.p == 0 && tensor_cores_wanted() &&
        tensor_cores_take(sizes.head_size, {dout, q, k, v, read(dq), read(dk), read(dv)}))
      return attention_tensor_cores_backward(dout, q, k, v, out, log_sum_exp, dq, dk, dv, row_dots, sizes);
  }
  attention_plain_backward<T>(dout, q, k, v, out, log_sum_exp, dq, dk, dv, row_dots, sizes);
}

#define TESSERA_ATTENTION_BACKWARD(name, T)                                                                          \
  template void name(AttentionRows<const T>, AttentionRows<const T>, AttentionRows<const T>, AttentionRows<const T>, \
                     AttentionRows<const T>, const float*, AttentionRows<T>, AttentionRows<T>, AttentionRows<T>,     \
                     float*, const AttentionSizes&);
TESSERA_ATTENTION_BACKWARD(attention_backward, float)
TESSERA_ATTENTION_BACKWARD(attention_backward, bf16)
TESSERA_ATTENTION_BACKWARD(attention_plain_backward, float)
TESSERA_ATTENTION_BACKWARD(attention_plain_backward, bf16)
#undef TESSERA_ATTENTION_BACKWARD
template void attention_row_dots(AttentionRows<const float>, AttentionRows<const float>, float*, const AttentionSizes&);
template void attention_row_dots(AttentionRows<const bf16>, AttentionRows<const bf16>, float*, const AttentionSizes&);

}  // namespace tessera::cuda
