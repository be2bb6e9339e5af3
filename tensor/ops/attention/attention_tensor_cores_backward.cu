// The gradient of ops::attention in bf16 on tensor cores. The same two kernels as
// tensor/ops/attention/attention_backward.cu: one goes along the keys and writes dq, one goes along the queries and
// writes dk and dv, so that each gradient is summed in one place. The second works on transposed scores, keys by
// queries, because a result is a left factor of the next product as it stands.
#include "tensor/ops/attention/attention_mma_tiles.h"

namespace tessera::cuda {
namespace {

// Blocks that share a multiprocessor's registers, as far as nothing is spilled for it.
template <int d>
constexpr int kBlocks = d <= 32   ? 4
                        : d <= 64 ? 3
                                  : 2;

struct BackwardInputs {
  AttentionRows<const bf16> dout, q, k, v;
  const float *log_sum_exp, *row_dots;  // [query tokens, heads]
};

// log_sum_exp · log2 e and row_dot of a query. One that does not exist, or sees no key, has log_sum_exp inf: P is 0.
struct alignas(8) RowNumbers {
  float log2_sum_exp = INFINITY, row_dot = 0;

  __device__ void load(const BackwardInputs& in, int64_t at) {
    const float log_sum_exp = in.log_sum_exp[at];
    log2_sum_exp = log_sum_exp == -INFINITY ? INFINITY : log_sum_exp * kLog2e;
    row_dot = in.row_dots[at];
  }
};

// Dynamic shared memory: two stages of two tiles of passed rows [kPassed, d], and the numbers of a stage's rows. The
// owned rows, two tiles [64, d], have a place of their own, or, if they are kept in registers, come in through the
// second stage where that is large enough, else through both before anything else.
template <int d, int kPassed, bool kKept>
struct BackwardStages {
  static constexpr int kTile = kTileElements<d, kPassed>, kOwnedTile = kTileElements<d, kMmaOwned>;
  static constexpr int kOwnedBegin = !kKept ? 4 * kTile : kPassed == kMmaOwned ? 2 * kTile : 0;
  static constexpr bool kOwnedFirst = kOwnedBegin == 0;
  static constexpr int kOwnedEnd = kOwnedBegin + 2 * kOwnedTile;
  static constexpr int kElements = kOwnedEnd > 4 * kTile ? kOwnedEnd : 4 * kTile;
  static constexpr size_t kTileBytes = kElements * sizeof(bf16), kBytes = kTileBytes + 2 * kPassed * sizeof(RowNumbers);
  static_assert(kTileBytes % 16 == 0);

  __device__ static bf16* tile(int stage, int which) {
    return simt::dynamic_shared<bf16>() + (2 * stage + which) * kTile;
  }
  __device__ static bf16* owned(int which) { return simt::dynamic_shared<bf16>() + kOwnedBegin + which * kOwnedTile; }
  __device__ static RowNumbers* numbers(int stage) {
    return reinterpret_cast<RowNumbers*>(simt::dynamic_shared<unsigned char>() + kTileBytes) + stage * kPassed;
  }
};

// S and dP → P and dS = P (dP - row_dot), in place; `numbers(i, n)` of element i of result n.
template <int kTiles, class Numbers>
__device__ __forceinline__ void score_gradients(float (&scores)[kTiles][4], float (&gradients)[kTiles][4],
                                                float scale_log2, Numbers numbers) {
  TESSERA_UNROLL
  for (int n = 0; n < kTiles; ++n)
    for (int i = 0; i < 4; ++i) {
      const RowNumbers& row = numbers(n, i);
      const float p = fast_exp2(scores[n][i] * scale_log2 - row.log2_sum_exp);
      scores[n][i] = p;
      gradients[n][i] = p * (gradients[n][i] - row.row_dot);
    }
}

// Tiles of keys have to leave room for the registers of large heads.
template <int d>
using QueryStages = BackwardStages<d, d <= 64 ? 64 : 32, true>;

// Owned: queries and dout. Passed: keys and values.
template <int d>
__global__ void __launch_bounds__(kMmaThreads, kBlocks<d>)
    attention_mma_dq_kernel(BackwardInputs in, AttentionRows<bf16> dq, AttentionSizes sizes, float scale) {
  using Stages = QueryStages<d>;
  constexpr int kKeys = Stages::kTile / kTileStride<d>;
  const int head = static_cast<int>(blockIdx.y), column = head * d;
  const int query0 = static_cast<int>(blockIdx.x) * kMmaOwned;
  const Sequence sequence(sizes, blockIdx.z);
  if (query0 >= sequence.queries) return;
  const int queries = min(kMmaOwned, sequence.queries - query0), keys = sequence.visible(query0 + queries - 1);
  const int64_t first_query = sequence.first_query + query0;
  AsyncCopies copies;
  const auto copy_stage = [&](int key0, int stage) {
    if (key0 >= keys) return;
    const int count = min(kKeys, keys - key0);
    copy_tile<d, kKeys>(copies, in.k, sequence.first_key + key0, count, column, Stages::tile(stage, 0));
    copy_tile<d, kKeys>(copies, in.v, sequence.first_key + key0, count, column, Stages::tile(stage, 1));
  };
  copy_tile<d, kMmaOwned>(copies, in.q, first_query, queries, column, Stages::owned(0));
  copy_tile<d, kMmaOwned>(copies, in.dout, first_query, queries, column, Stages::owned(1));
  if (!Stages::kOwnedFirst) copy_stage(0, 0);
  copies.wait();
  __syncthreads();
  const int first_row = warp_index() * 16, g = lane_index() / 4, row0 = query0 + first_row;
  const OwnRows<d, true> own_queries(Stages::owned(0) + first_row * kTileStride<d>);
  const OwnRows<d, true> own_dout(Stages::owned(1) + first_row * kTileStride<d>);
  __syncthreads();  // the owned rows' place is free
  if (Stages::kOwnedFirst) {
    copy_stage(0, 0);
    copies.wait();
    __syncthreads();
  }

  RowNumbers rows[2];
  for (int half = 0; half < 2; ++half)
    if (const int row = first_row + g + 8 * half; row < queries)
      rows[half].load(in, (first_query + row) * sizes.heads + head);
  float sums[d / 8][4] = {};
  for (int key0 = 0, stage = 0; key0 < keys; key0 += kKeys, stage ^= 1) {
    copy_stage(key0 + kKeys, stage ^ 1);
    float scores[kKeys / 8][4], gradients[kKeys / 8][4];
    products_with_rows<d, kKeys>(own_queries, Stages::tile(stage, 0), scores);
    products_with_rows<d, kKeys>(own_dout, Stages::tile(stage, 1), gradients);
    if (key0 + kKeys > sequence.visible(row0)) {
      const int visible[2] = {sequence.visible(row0 + g) - key0, sequence.visible(row0 + g + 8) - key0};
      hide_scores(scores, [&](int half, int key) { return key >= visible[half]; });
    }
    score_gradients(scores, gradients, scale * kLog2e, [&](int, int i) -> const RowNumbers& { return rows[i / 2]; });
    add_products<d, kKeys>(gradients, Stages::tile(stage, 0), sums);
    copies.wait();
    __syncthreads();  // the next tile is there, and this one has been read
  }
  store_sums<d>(sums, {scale, scale}, dq, first_query + first_row, queries - first_row, column);
}

template <int d>
using KeyStages = BackwardStages<d, 32, d <= 64>;

// Owned: keys and values. Passed: queries and dout.
template <int d>
__global__ void __launch_bounds__(kMmaThreads, kBlocks<d>)
    attention_mma_dkv_kernel(BackwardInputs in, AttentionRows<bf16> dk, AttentionRows<bf16> dv, AttentionSizes sizes,
                             float scale) {
  using Stages = KeyStages<d>;
  constexpr int kQueries = Stages::kTile / kTileStride<d>;
  const int head = static_cast<int>(blockIdx.y), column = head * d;
  const int key0 = static_cast<int>(blockIdx.x) * kMmaOwned;
  const Sequence sequence(sizes, blockIdx.z);
  if (key0 >= sequence.keys) return;
  const int keys = min(kMmaOwned, sequence.keys - key0);
  const int64_t first_key = sequence.first_key + key0;
  AsyncCopies copies;
  const auto copy_stage = [&](int query0, int stage) {
    if (query0 >= sequence.queries) return;
    const int count = min(kQueries, sequence.queries - query0);
    copy_tile<d, kQueries>(copies, in.q, sequence.first_query + query0, count, column, Stages::tile(stage, 0));
    copy_tile<d, kQueries>(copies, in.dout, sequence.first_query + query0, count, column, Stages::tile(stage, 1));
  };
  // A thread for each row: what it loads before a tile's products is stored after them.
  const int own_number = static_cast<int>(threadIdx.x);
  const auto load_numbers = [&](int query0) {
    RowNumbers row;
    if (own_number < min(kQueries, sequence.queries - query0))
      row.load(in, (sequence.first_query + query0 + own_number) * sizes.heads + head);
    return row;
  };
  const auto store_numbers = [&](const RowNumbers& row, int stage) {
    if (own_number >= kQueries) return;
    Stages::numbers(stage)[own_number].log2_sum_exp = row.log2_sum_exp;
    Stages::numbers(stage)[own_number].row_dot = row.row_dot;
  };

  const int begin = sequence.first_query_of(key0) / kQueries * kQueries;
  copy_tile<d, kMmaOwned>(copies, in.k, first_key, keys, column, Stages::owned(0));
  copy_tile<d, kMmaOwned>(copies, in.v, first_key, keys, column, Stages::owned(1));
  if (!Stages::kOwnedFirst) copy_stage(begin, 0);
  store_numbers(load_numbers(begin), 0);
  copies.wait();
  __syncthreads();
  const int first_row = warp_index() * 16, g = lane_index() / 4, t = lane_index() % 4, row0 = key0 + first_row;
  const OwnRows<d, d <= 64> own_keys(Stages::owned(0) + first_row * kTileStride<d>);
  const OwnRows<d, d <= 64> own_values(Stages::owned(1) + first_row * kTileStride<d>);
  if (Stages::kOwnedFirst) {
    __syncthreads();  // the owned rows' place is free
    copy_stage(begin, 0);
    copies.wait();
    __syncthreads();
  }

  float dk_sums[d / 8][4] = {}, dv_sums[d / 8][4] = {};
  for (int query0 = begin, stage = 0; query0 < sequence.queries; query0 += kQueries, stage ^= 1) {
    copy_stage(query0 + kQueries, stage ^ 1);
    const RowNumbers next = load_numbers(query0 + kQueries);
    float scores[kQueries / 8][4], gradients[kQueries / 8][4];
    products_with_rows<d, kQueries>(own_keys, Stages::tile(stage, 0), scores);
    products_with_rows<d, kQueries>(own_values, Stages::tile(stage, 1), gradients);
    if (row0 + 16 > sequence.visible(query0))
      hide_scores(scores, [&](int half, int query) { return row0 + g + 8 * half >= sequence.visible(query0 + query); });
    const RowNumbers* numbers = Stages::numbers(stage) + 2 * t;
    score_gradients(scores, gradients, scale * kLog2e,
                    [&](int n, int i) -> const RowNumbers& { return numbers[8 * n + i % 2]; });
    add_products<d, kQueries>(scores, Stages::tile(stage, 1), dv_sums);
    add_products<d, kQueries>(gradients, Stages::tile(stage, 0), dk_sums);
    store_numbers(next, stage ^ 1);
    copies.wait();
    __syncthreads();  // the next tile is there, and this one has been read
  }
  store_sums<d>(dk_sums, {scale, scale}, dk, first_key + first_row, keys - first_row, column);
  store_sums<d>(dv_sums, {1, 1}, dv, first_key + first_row, keys - first_row, column);
}

}  // namespace

void attention_tensor_cores_backward(AttentionRows<const bf16> dout, AttentionRows<const bf16> q,
                                     AttentionRows<const bf16> k, AttentionRows<const bf16> v,
                                     AttentionRows<const bf16> out, const float* log_sum_exp, AttentionRows<bf16> dq,
                                     AttentionRows<bf16> dk, AttentionRows<bf16> dv, float* row_dots,
                                     const AttentionSizes& sizes) {
  const float scale = attention_scale(sizes);
  const BackwardInputs in{dout, q, k, v, log_sum_exp, row_dots};
  attention_row_dots<bf16>(dout, out, row_dots, sizes);
  with_head_size(sizes.head_size, [&](auto head_size) {
    constexpr int d = decltype(head_size)::value;
    simt::launch<attention_mma_dq_kernel<d>>(mma_grid(sizes, sizes.most_queries), kMmaThreads, QueryStages<d>::kBytes,
                                             in, dq, sizes, scale);
    simt::launch<attention_mma_dkv_kernel<d>>(mma_grid(sizes, sizes.most_keys), kMmaThreads, KeyStages<d>::kBytes, in,
                                              dk, dv, sizes, scale);
  });
}

}  // namespace tessera::cuda
