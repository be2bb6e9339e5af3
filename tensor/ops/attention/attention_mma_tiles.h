// Tiles of bf16 in shared memory and their products on tensor cores, which attention's kernels share. Include from .cu
// files.
//
// A block of four warps owns 64 rows (queries, or keys), 16 for each warp, and goes along the others in tiles. A lane
// holds its part of a warp's 16 x 8 results as tensor/cuda/mma.h says: rows g and g + 8, columns 2t and 2t + 1.
#pragma once

#include "tensor/cuda/mma.h"
#include "tensor/ops/attention/attention_kernel_tiles.h"
#include "tensor/ops/attention/attention_kernels.h"

namespace tessera::cuda {

constexpr int kMmaThreads = kAttentionThreads, kMmaOwned = 64;

// Elements between a tile's rows: the 16 bytes more make eight rows begin in eight different groups of banks, since a
// row is an odd number of them.
template <int d>
constexpr int kTileStride = d + 8;

template <int d, int kRows>
constexpr int kTileElements = kRows* kTileStride<d>;

// Begins to copy rows first .. first + count - 1 (at least one) of a head's columns; rows from `count` on become 0.
template <int d, int kRows>
__device__ __forceinline__ void copy_tile(AsyncCopies& copies, AttentionRows<const bf16> x, int64_t first, int count,
                                          int column, bf16* tile) {
  constexpr int kPieces = d / 8, kCopies = kRows * kPieces;
  const bf16* from = x.data + first * x.stride + column;
  TESSERA_UNROLL
  for (int first_copy = 0; first_copy < kCopies; first_copy += kMmaThreads) {
    const int i = first_copy + static_cast<int>(threadIdx.x), row = i / kPieces, c = i % kPieces * 8;
    if (first_copy + kMmaThreads > kCopies && i >= kCopies) break;
    const bool present = row < count;
    copies.copy(tile + row * kTileStride<d> + c, present ? from + row * x.stride + c : x.data, present);
  }
}

// The warp's 16 rows of a tile as left factors of products over d: read once into registers, or again each time.
template <int d, bool kKept>
struct OwnRows {
  const bf16* tile;  // its row 0 is the warp's first
  unsigned kept[kKept ? d / 16 : 1][4];

  __device__ __forceinline__ explicit OwnRows(const bf16* first_row) : tile(first_row) {
    if constexpr (kKept) {
      TESSERA_UNROLL
      for (int step = 0; step < d / 16; ++step) read(step, kept[step]);
    }
  }
  __device__ __forceinline__ void read(int step, unsigned (&a)[4]) const {
    const int lane = lane_index();
    load_matrices(a, tile + lane % 16 * kTileStride<d> + step * 16 + lane / 16 * 8);
  }
  __device__ __forceinline__ void fragment(int step, unsigned (&a)[4]) const {
    if constexpr (kKept) {
      TESSERA_UNROLL
      for (int i = 0; i < 4; ++i) a[i] = kept[step][i];
    } else {
      read(step, a);
    }
  }
};

// products [16, kRows] = the warp's rows · tileᵀ, tile [kRows, d].
template <int d, int kRows, bool kKept>
__device__ __forceinline__ void products_with_rows(const OwnRows<d, kKept>& rows, const bf16* tile,
                                                   float (&products)[kRows / 8][4]) {
  const int lane = lane_index();
  const bf16* row = tile + (lane / 16 * 8 + lane % 8) * kTileStride<d> + lane / 8 % 2 * 8;
  TESSERA_UNROLL
  for (int n = 0; n < kRows / 8; ++n)
    for (int i = 0; i < 4; ++i) products[n][i] = 0;
  TESSERA_UNROLL
  for (int step = 0; step < d / 16; ++step) {
    unsigned a[4];
    rows.fragment(step, a);
    TESSERA_UNROLL
    for (int n = 0; n < kRows / 8; n += 2) {
      unsigned b[4];
      load_matrices(b, row + n * 8 * kTileStride<d> + step * 16);
      multiply_add(products[n], a, b[0], b[1]);
      multiply_add(products[n + 1], a, b[2], b[3]);
    }
  }
}

// sums [16, d] += factors [16, kRows], rounded to bf16, · tile [kRows, d]. A lane's part of two results side by side is
// its part of a left factor.
template <int d, int kRows>
__device__ __forceinline__ void add_products(const float (&factors)[kRows / 8][4], const bf16* tile,
                                             float (&sums)[d / 8][4]) {
  const int lane = lane_index();
  const bf16* row = tile + lane % 16 * kTileStride<d> + lane / 16 * 8;
  TESSERA_UNROLL
  for (int step = 0; step < kRows / 16; ++step) {
    const float(&left)[4] = factors[2 * step], (&right)[4] = factors[2 * step + 1];
    const unsigned a[4] = {pack_pair(left[0], left[1]), pack_pair(left[2], left[3]), pack_pair(right[0], right[1]),
                           pack_pair(right[2], right[3])};
    TESSERA_UNROLL
    for (int n = 0; n < d / 8; n += 2) {
      unsigned b[4];
      load_transposed_matrices(b, row + step * 16 * kTileStride<d> + n * 8);
      multiply_add(sums[n], a, b[0], b[1]);
      multiply_add(sums[n + 1], a, b[2], b[3]);
    }
  }
}

// Scores become -inf where hidden(half, column): of the lane's row g + 8 half.
template <int kTiles, class Hidden>
__device__ __forceinline__ void hide_scores(float (&scores)[kTiles][4], Hidden hidden) {
  const int t = lane_index() % 4;
  TESSERA_UNROLL
  for (int n = 0; n < kTiles; ++n)
    for (int i = 0; i < 4; ++i)
      if (hidden(i / 2, 8 * n + 2 * t + i % 2)) scores[n][i] = -INFINITY;
}

// Stores the warp's sums, times a factor for each of the lane's two rows, in rows first .. first + count - 1 of `to`;
// count may be anything.
template <int d>
__device__ __forceinline__ void store_sums(const float (&sums)[d / 8][4], const float (&factors)[2],
                                           AttentionRows<bf16> to, int64_t first, int count, int column) {
  const int g = lane_index() / 4, t = lane_index() % 4;
  TESSERA_UNROLL
  for (int half = 0; half < 2; ++half) {
    const int row = g + 8 * half;
    if (row >= count) continue;
    bf16* place = to.data + (first + row) * to.stride + column + 2 * t;
    TESSERA_UNROLL
    for (int n = 0; n < d / 8; ++n)
      store_pair(place + 8 * n, pack_pair(sums[n][2 * half] * factors[half], sums[n][2 * half + 1] * factors[half]));
  }
}

// Calls f with the head size as a constant.
template <class F>
void with_head_size(int64_t d, F f) {
  switch (d) {
    case 16: return f(std::integral_constant<int, 16>{});
    case 32: return f(std::integral_constant<int, 32>{});
    case 64: return f(std::integral_constant<int, 64>{});
    case 96: return f(std::integral_constant<int, 96>{});
    case 128: return f(std::integral_constant<int, 128>{});
  }
  fail("attention: head size is ", d, ", expected 16, 32, 64, 96 or 128 on tensor cores");
}

inline dim3 mma_grid(const AttentionSizes& sizes, int64_t most_rows) {
  return dim3(blocks_for(most_rows, kMmaOwned), static_cast<unsigned>(sizes.heads),
              static_cast<unsigned>(sizes.sequences));
}

constexpr float kLog2e = 1.44269504f;

}  // namespace tessera::cuda
