// What the bf16 attention kernels share: operands packed into strips in a thread's scratch memory, products of them, and the
// vectors whose lanes are the queries of a tile.
#pragma once

#include <algorithm>
#include <cstring>

#include "tensor/ops/attention_tiles.h"
#include "tensor/products/kernel_choice.h"
#include "tensor/products/pack.h"

namespace tessera::ops::attention_detail {

using products::kStrip;

// Queries of a tile of scores [keys, kTile]: two strips, and a unit of depth in the products that sum over queries. With
// the keys of a block it fills most of a first-level cache of 48 KiB.
inline constexpr int64_t kTile = products::kDepthUnit;
inline constexpr int64_t kKeyBlock = 256;

inline constexpr int64_t kLanes = simd::kLanes<float>;
using Lanes = simd::Vector<float>;

constexpr int64_t round_up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

template <class T>
void clear(T* to, int64_t count) {
  std::memset(static_cast<void*>(to), 0, static_cast<size_t>(count) * sizeof(T));
}

// 2^x for x up to 127 with relative error 2.6e-6, far below what is rounded off P (a minimax fit made for this file). Below
// -126 it stays at 2^-126: nothing beside a row's largest term, which is 1.
inline Lanes exp2(Lanes x) {
  using Words = simd::Mask<float>;
  constexpr float kRoundingShift = 12582912.0f;  // 1.5 · 2^23: leaves the nearest integer in the low bits
  x = simd::larger<float>(x, simd::splat(-126.0f));
  const Lanes shifted = x + kRoundingShift, f = x - (shifted - kRoundingShift);
  const Lanes power = (((9.57010221e-3f * f + 5.59178628e-2f) * f + 0.240247443f) * f + 0.693121791f) * f + 0.999999285f;
  return reinterpret_cast<Lanes>(reinterpret_cast<Words>(power) + (reinterpret_cast<Words>(shifted) << 23));
}

// Scores are kept in units of log 2, so that an exponential is a power of two: score_factor · q·k.
inline constexpr double kLog2E = 1.4426950408889634;
inline float score_factor(const Sizes& sizes) { return static_cast<float>(sizes.scale() * kLog2E); }

// Consecutive strips of an operand, `stride` bf16 apart, from some position of the depth on.
struct StripRun {
  uint16_t* data;
  int64_t stride, count;
};

// Room for an operand in strips (products/kernels.h) of up to `vectors` vectors of length `depth`.
class Strips {
 public:
  static int64_t bytes(int64_t vectors, int64_t depth) {
    return Scratch::bytes_for<uint16_t>(products::strips_of(vectors) * products::padded_depth(depth) * kStrip);
  }
  Strips(Scratch& scratch, int64_t vectors, int64_t depth)
      : data_(scratch.take<uint16_t>(bytes(vectors, depth) / 2)), stride_(products::padded_depth(depth) * kStrip) {}

  // Vectors [first, first + count) from position `begin` on; first is a multiple of 16, begin of 32.
  StripRun run(int64_t first, int64_t count, int64_t begin = 0) const {
    return {data_ + first / kStrip * stride_ + begin * kStrip, stride_, products::strips_of(count)};
  }

  // Packs `vectors` vectors of length `depth`, the rows of a bf16 matrix or, across, its columns, to position `begin`.
  void pack(const products::Kernels& kernels, products::LeftLayout layout, const bf16* from, int64_t row_stride, bool across,
            int64_t vectors, int64_t depth, int64_t begin = 0) const {
    const products::Source source{
        .data = from, .vectors = vectors, .depth = depth, .stride = row_stride, .across = across};
    const StripRun to = run(0, vectors, begin);
    products::pack_strips(kernels, layout, source, {0, to.count}, 0, depth, {to.data, nullptr, 2 * stride_});
  }
  void pack_left(const products::Kernels& kernels, const bf16* from, int64_t row_stride, bool across, int64_t vectors,
                 int64_t depth, int64_t begin = 0) const {
    pack(kernels, kernels.left_layout, from, row_stride, across, vectors, depth, begin);
  }
  void pack_right(const products::Kernels& kernels, const bf16* from, int64_t row_stride, bool across, int64_t vectors,
                  int64_t depth) const {
    pack(kernels, products::LeftLayout::pairs, from, row_stride, across, vectors, depth);
  }

 private:
  uint16_t* data_;
  int64_t stride_;
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

  operator const products::Kernels&() const { return kernels_; }

  // sums (whole strips of rows and columns, rows `ld` apart) = or += left · right over `depth`. The right strips are divided
  // evenly among the calls: one alone leaves the multipliers waiting for each other.
  void multiply(StripRun left, StripRun right, int64_t depth, float* sums, int64_t ld, bool add) const {
    const int64_t calls = (right.count + kernels_.right_strips - 1) / kernels_.right_strips;
    const int64_t group = (right.count + calls - 1) / std::max<int64_t>(1, calls);
    for (int64_t j = 0; j < right.count; j += group)
      for (int64_t i = 0; i < left.count; i += kernels_.left_strips)
        kernels_.multiply({.left = left.data + i * left.stride,
                           .left_stride = 2 * left.stride,
                           .right = right.data + j * right.stride,
                           .right_stride = right.stride,
                           .left_strips = std::min(kernels_.left_strips, left.count - i),
                           .right_strips = std::min(group, right.count - j),
                           .depth = round_up(depth, kernels_.depth_unit),
                           .sums = sums + (i * ld + j) * kStrip,
                           .ld = ld,
                           .add = add});
  }

 private:
  const products::Kernels& kernels_ = products::kernels();
};

// How many keys of the block that begins at `begin` each of a tile's queries sees, in lanes.
inline void visible_lanes(const Sizes& sizes, int64_t s, int64_t first, int64_t rows, int64_t begin, float* visible) {
  for (int64_t i = 0; i < kTile; ++i)
    visible[i] = i < rows ? static_cast<float>(std::clamp<int64_t>(sizes.visible(s, first + i) - begin, 0, kKeyBlock)) : 0;
}

// factor · from [d] → to, rounded.
inline void store_scaled(const float* from, float factor, int64_t d, bf16* to) {
  int64_t c = 0;
  for (; c + kLanes <= d; c += kLanes) simd::store(to + c, simd::load(from + c) * factor);
  for (; c < d; ++c) to[c] = bf16(from[c] * factor);
}

}  // namespace tessera::ops::attention_detail
