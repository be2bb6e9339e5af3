// What the bf16 attention kernels share: operands in a thread's scratch memory, products of them, and the vectors whose
// lanes are the queries of a tile.
#pragma once

#include <algorithm>
#include <cstring>

#include "tensor/gemm/packed/kernel_choice.h"
#include "tensor/gemm/packed/pack.h"
#include "tensor/ops/attention/attention_tiles.h"

#if defined(__AVX512BF16__)
#include <immintrin.h>
#endif

namespace tessera::ops::attention_detail {

using products::kStrip;

// Queries of a tile of scores [keys, kTile]: two strips, and a unit of depth in the products that sum over queries.
// With the keys of a block it fills most of a first-level cache of 48 KiB.
inline constexpr int64_t kTile = products::kDepthUnit;
inline constexpr int64_t kKeyBlock = 256;

inline constexpr int64_t kLanes = simd::kLanes<float>;
using Lanes = simd::Vector<float>;

constexpr int64_t round_up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

template <class T>
void clear(T* to, int64_t count) {
  std::memset(static_cast<void*>(to), 0, static_cast<size_t>(count) * sizeof(T));
}

// 2^x for x up to 127 with relative error 2.6e-6, far below what is rounded off P (a minimax fit made for this file).
// Below -126 it stays at 2^-126: nothing beside a row's largest term, which is 1.
inline Lanes exp2(Lanes x) {
  using Words = simd::Mask<float>;
  constexpr float kRoundingShift = 12582912.0f;      // 1.5 · 2^23: leaves the nearest integer in the low bits
  x = simd::larger<float>(simd::splat(-126.0f), x);  // in this order NaN stays NaN
  const Lanes shifted = x + kRoundingShift, f = x - (shifted - kRoundingShift);
  const Lanes power =
      (((9.57010221e-3f * f + 5.59178628e-2f) * f + 0.240247443f) * f + 0.693121791f) * f + 0.999999285f;
  return reinterpret_cast<Lanes>(reinterpret_cast<Words>(power) + (reinterpret_cast<Words>(shifted) << 23));
}

// Scores are kept in units of log 2, so that an exponential is a power of two: score_factor · q·k.
inline constexpr double kLog2E = 1.4426950408889634;
inline float score_factor(const Sizes& sizes) { return static_cast<float>(sizes.scale() * kLog2E); }

// To bf16 like simd::store, but denormal numbers may become zero, as they do in products of pairs.
inline void store_factor(bf16* p, Lanes value) {
#if defined(__AVX512BF16__)
  if constexpr (kLanes == 16) {
    const __m256bh rounded = _mm512_cvtneps_pbh(reinterpret_cast<__m512>(value));
    std::memcpy(static_cast<void*>(p), &rounded, sizeof rounded);
    return;
  }
#endif
  simd::store(p, value);
}

// to [2 · kLanes] = a₀ b₀ a₁ b₁ …, rounded likewise.
inline void store_factor_pairs(bf16* to, Lanes a, Lanes b) {
#if defined(__AVX512BF16__)
  if constexpr (kLanes == 16) {
    alignas(64) static constexpr uint16_t kOrder[32] = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                                        8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    const __m512bh halves = _mm512_cvtne2ps_pbh(reinterpret_cast<__m512>(b), reinterpret_cast<__m512>(a));
    const __m512i pairs = _mm512_permutexvar_epi16(_mm512_load_si512(kOrder), reinterpret_cast<__m512i>(halves));
    std::memcpy(static_cast<void*>(to), &pairs, sizeof pairs);
    return;
  }
#endif
  const auto words = (simd::Bf16Lanes<kLanes>::round(a) >> 16) | (simd::Bf16Lanes<kLanes>::round(b) & 0xffff0000u);
  std::memcpy(static_cast<void*>(to), &words, sizeof words);
}

// Room for an operand in strips (tensor/gemm/packed/kernels.h) of up to `vectors` vectors of length `depth`.
class Strips {
 public:
  static int64_t bytes(int64_t vectors, int64_t depth) {
    return Scratch::bytes_for<uint16_t>(products::strips_of(vectors) * products::padded_depth(depth) * kStrip);
  }
  Strips(Scratch& scratch, int64_t vectors, int64_t depth)
      : data(scratch.take<uint16_t>(bytes(vectors, depth) / 2)), stride(products::padded_depth(depth) * kStrip) {}

  // Packs vectors of a given depth: the rows of a bf16 matrix or, across, its columns.
  void pack(const products::Kernels& kernels, products::LeftLayout layout, Rows<const bf16> from, bool across,
            int64_t vectors, int64_t depth) const {
    const products::Source source{
        .data = from.data, .vectors = vectors, .depth = depth, .stride = from.stride, .across = across};
    products::pack_strips(kernels, layout, source, {0, products::strips_of(vectors)}, 0, depth,
                          {data, nullptr, 2 * stride});
  }

  uint16_t* data;
  int64_t stride;  // from strip to strip
};

// `strips` strips of a right operand from some position of its depth on.
struct Right {
  const uint16_t* data;
  int64_t stride, strips;

  // Vectors [first, first + count), first a multiple of 16, from position `begin` on, a multiple of 32.
  static Right of(const Strips& packed, int64_t first, int64_t count, int64_t begin = 0) {
    return {packed.data + first / kStrip * packed.stride + begin * kStrip, packed.stride, products::strips_of(count)};
  }
};

// Rows of a left operand: strips, or pairs that lie anywhere (PairsCall).
struct Left {
  const uint16_t* data;
  int64_t strip, row, pair;  // from strip to strip, row to row, pair to pair
  int64_t rows;

  // From row `first` on, a multiple of 16.
  Left part(int64_t first, int64_t count) const { return {data + first / kStrip * strip, strip, row, pair, count}; }
};

// The kernels in use, made ready on this thread.
class StripKernels {
 public:
  StripKernels() {
    if (kernels_.begin) kernels_.begin();
  }
  ~StripKernels() {
    if (kernels_.end) kernels_.end();
  }
  StripKernels(const StripKernels&) = delete;
  StripKernels& operator=(const StripKernels&) = delete;

  void pack_right(const Strips& to, Rows<const bf16> from, bool across, int64_t vectors, int64_t depth) const {
    to.pack(kernels_, products::LeftLayout::pairs, from, across, vectors, depth);
  }
  // The rows [rows, depth] as they lie, if the kernels take them so; else packed into `room`. Their memory ends with a
  // whole pair, of which the right operand multiplies what is behind `depth` by zero.
  Left left(const Strips& room, Rows<const bf16> from, int64_t rows, int64_t depth) const {
    const auto* data = reinterpret_cast<const uint16_t*>(from.data);
    if (kernels_.multiply_pairs) return {data, kStrip * from.stride, from.stride, 2, rows};
    room.pack(kernels_, kernels_.left_layout, from, false, rows, depth);
    return {room.data, room.stride, 0, 0, rows};
  }
  // The `columns` of a tile [depth, kTile] whose rows lie in pairs, [depth / 2][kTile][2], with zeros behind the depth
  // up to a multiple of 32: as they lie, or packed into `room`, in rows of tiles.
  Left left_of_pairs(const Strips& room, const bf16* pairs, int64_t columns, int64_t depth) const {
    const auto* data = reinterpret_cast<const uint16_t*>(pairs);
    if (kernels_.multiply_pairs) return {data, 2 * kStrip, 2, 2 * kTile, columns};
    for (int64_t j = 0; j < columns; j += kStrip)
      for (int64_t l = 0; l < depth; l += products::kDepthUnit)
        kernels_.transpose_words(data + l * kTile + 2 * j, 2 * kTile,
                                 room.data + j / kStrip * room.stride + l * kStrip);
    return {room.data, room.stride, 0, 0, columns};
  }

  // sums [rows, 16 · strips], `ld` apart, = or += left · right over `depth`; there is room for whole strips of rows.
  // The right strips are divided evenly among the calls: one alone leaves the multipliers waiting for each other.
  void multiply(const Left& left, const Right& right, int64_t depth, float* sums, int64_t ld, bool add) const {
    const int64_t calls = (right.strips + kernels_.right_strips - 1) / kernels_.right_strips;
    const int64_t group = (right.strips + calls - 1) / std::max<int64_t>(1, calls);
    const int64_t rows = kernels_.multiply_pairs ? left.rows : kStrip * kernels_.left_strips;
    for (int64_t j = 0; j < right.strips; j += group)
      for (int64_t i = 0; i < left.rows; i += rows)
        call(left.part(i, std::min(rows, left.rows - i)),
             {right.data + j * right.stride, right.stride, std::min(group, right.strips - j)},
             round_up(depth, kernels_.depth_unit), sums + i * ld + j * kStrip, ld, add);
  }

 private:
  void call(const Left& left, const Right& right, int64_t depth, float* sums, int64_t ld, bool add) const {
    if (kernels_.multiply_pairs)
      return kernels_.multiply_pairs({.left = left.data,
                                      .left_row = left.row,
                                      .left_pair = left.pair,
                                      .right = right.data,
                                      .right_stride = right.stride,
                                      .rows = left.rows,
                                      .right_strips = right.strips,
                                      .depth = depth,
                                      .sums = sums,
                                      .ld = ld,
                                      .add = add});
    kernels_.multiply({.left = left.data,
                       .left_stride = 2 * left.strip,
                       .right = right.data,
                       .right_stride = right.stride,
                       .left_strips = products::strips_of(left.rows),
                       .right_strips = right.strips,
                       .depth = depth,
                       .sums = sums,
                       .ld = ld,
                       .add = add});
  }

  const products::Kernels& kernels_ = products::kernels();
};

// How many keys of the block that begins at `begin` each of a tile's queries sees, in lanes.
inline void visible_lanes(const Sizes& sizes, int64_t s, int64_t first, int64_t rows, int64_t begin, float* visible) {
  for (int64_t i = 0; i < kTile; ++i)
    visible[i] =
        i < rows ? static_cast<float>(std::clamp<int64_t>(sizes.visible(s, first + i) - begin, 0, kKeyBlock)) : 0;
}

// Rows of bf16 in memory of their own, [n, d rounded up to whole pairs], zeros behind d.
inline Rows<const bf16> copy_rows(Rows<const bf16> from, int64_t n, int64_t d, bf16* to) {
  const int64_t width = round_up(d, 2);
  for (int64_t i = 0; i < n; ++i) {
    const bf16* row = from.at(i, 0);
    bf16* copy = to + i * width;
    int64_t c = 0;
    for (; c + kStrip <= d; c += kStrip) std::memcpy(static_cast<void*>(copy + c), row + c, kStrip * sizeof(bf16));
    for (; c < width; ++c) copy[c] = c < d ? row[c] : bf16();
  }
  return {to, width};
}

// factor · from [d] → to, rounded.
inline void store_scaled(const float* from, float factor, int64_t d, bf16* to) {
  int64_t c = 0;
  for (; c + kLanes <= d; c += kLanes) simd::store(to + c, simd::load(from + c) * factor);
  for (; c < d; ++c) to[c] = bf16(from[c] * factor);
}

}  // namespace tessera::ops::attention_detail
