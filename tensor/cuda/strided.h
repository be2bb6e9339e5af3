// Walking arrays of any strides in one order: what copies and elementwise ops with broadcasting are made of. Include
// from .cu files.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

#include "tensor/activation.h"
#include "tensor/cuda/warp.h"
#include "tensor/shape.h"

namespace tessera::cuda {

constexpr int kStridedThreads = 128;
constexpr int kMostDims = Shape::kMaxDims;

// The sizes that `arrays` arrays share, and the strides of each in elements (0 along a dimension in which it repeats).
// Dimensions of size 1 are left out, and neighbours merged that all arrays cross with one stride.
template <int arrays>
struct Layout {
  using Offsets = std::array<int64_t, arrays>;

  int dims = 0;
  std::array<int64_t, kMostDims> sizes{};
  std::array<Offsets, kMostDims> strides{};

  Layout(const Shape& shape, const std::array<Shape, arrays>& all) {
    for (int d = 0; d < shape.dim(); ++d) {
      if (shape[d] == 1) continue;
      Offsets own;
      for (size_t a = 0; a < arrays; ++a) own[a] = all[a][d];
      add(shape[d], own);
    }
    if (dims == 0) add(1, {});
  }

  int64_t size(int d) const { return sizes[static_cast<size_t>(d)]; }
  int64_t stride(int d, int array) const { return strides[static_cast<size_t>(d)][static_cast<size_t>(array)]; }
  int64_t count() const {
    int64_t product = 1;
    for (int d = 0; d < dims; ++d) product *= size(d);
    return product;
  }

  // Whether the last dimension of `array` can be read n elements at once: they lie side by side and aligned, or are one
  // that repeats.
  template <class T>
  bool in_packs(int n, int array, const T* first) const {
    if (size(dims - 1) % n != 0) return false;
    const int64_t inner = stride(dims - 1, array);
    bool fits = inner == 0 || (inner == 1 && reinterpret_cast<uintptr_t>(first) % (n * sizeof(T)) == 0);
    for (int d = 0; d < dims - 1 && inner == 1; ++d) fits = fits && stride(d, array) % n == 0;
    return fits;
  }

  // Calls f(part, where each array begins in it) for parts of at most `most` elements, so that kernels can count with
  // 32 bits.
  template <class F>
  void for_each_part(F f, int64_t most = int64_t{1} << 30) const {
    visit_parts([](void* to, const Layout& part, const Offsets& first) { (*static_cast<F*>(to))(part, first); }, &f,
                most, {});
  }

 private:
  // Plain C++, so that it is not compiled for each of many kernels.
  using Visit = void (*)(void* to, const Layout& part, const Offsets& first);

  void add(int64_t size, const Offsets& own) {
    if (dims > 0) {
      const Offsets& before = strides[static_cast<size_t>(dims - 1)];
      bool merges = true;
      for (size_t a = 0; a < arrays; ++a) merges = merges && before[a] == own[a] * size;
      if (merges) {
        sizes[static_cast<size_t>(dims - 1)] *= size;
        strides[static_cast<size_t>(dims - 1)] = own;
        return;
      }
    }
    sizes[static_cast<size_t>(dims)] = size;
    strides[static_cast<size_t>(dims++)] = own;
  }

  // Halves the outermost dimension that has more than one place.
  void visit_parts(Visit visit, void* to, int64_t most, const Offsets& first) const {
    if (count() <= most) {
      visit(to, *this, first);
      return;
    }
    size_t d = 0;
    while (sizes[d] == 1) ++d;
    Layout lower = *this, upper = *this;
    lower.sizes[d] = sizes[d] / 2;
    upper.sizes[d] = sizes[d] - lower.sizes[d];
    Offsets middle = first;
    for (size_t a = 0; a < arrays; ++a) middle[a] += lower.sizes[d] * strides[d][a];
    lower.visit_parts(visit, to, most, first);
    upper.visit_parts(visit, to, most, middle);
  }
};

// Division by a number that the host knows, for n < 2^31: with 2^shift the next power of two, n / d =
// n (1 + (2^shift - d) / d) / 2^shift, the fraction being `multiplier` / 2^32, rounded up (Granlund and Montgomery,
// 1994).
struct Divisor {
  unsigned value = 1, multiplier = 1, shift = 0;

  Divisor() = default;
  explicit Divisor(unsigned d) : value(d), shift(static_cast<unsigned>(std::bit_width(d - 1))) {
    multiplier = static_cast<unsigned>(((((uint64_t{1} << shift) - d) << 32) / d) + 1);
  }
  __device__ __forceinline__ unsigned quotient(unsigned n) const { return (__umulhi(n, multiplier) + n) >> shift; }
};

// A Layout of at most 2^30 elements as a kernel takes it: unit i is n elements, side by side in the last dimension.
template <int arrays>
struct Walk {
  int dims;
  unsigned units;
  Divisor sizes[kMostDims];
  int64_t strides[kMostDims][arrays];  // from unit to unit
  int64_t inner[arrays];               // from element to element in the last dimension

  Walk(const Layout<arrays>& layout, int n) : dims(layout.dims), units(static_cast<unsigned>(layout.count() / n)) {
    for (int d = 0; d < kMostDims; ++d) {
      const bool last = d == dims - 1;
      sizes[d] = Divisor(static_cast<unsigned>(d < dims ? std::max<int64_t>(1, layout.size(d) / (last ? n : 1)) : 1));
      for (int a = 0; a < arrays; ++a) strides[d][a] = d < dims ? layout.stride(d, a) * (last ? n : 1) : 0;
    }
    for (int a = 0; a < arrays; ++a) inner[a] = layout.stride(dims - 1, a);
  }

  unsigned blocks() const { return blocks_for(units, kStridedThreads); }

  // Where unit `unit` of each array begins.
  __device__ __forceinline__ void find(unsigned unit, int64_t (&at)[arrays]) const {
    for (int a = 0; a < arrays; ++a) at[a] = 0;
    for (int d = dims - 1; d > 0; --d) {
      const unsigned next = sizes[d].quotient(unit), index = unit - next * sizes[d].value;
      for (int a = 0; a < arrays; ++a) at[a] += index * strides[d][a];
      unit = next;
    }
    for (int a = 0; a < arrays; ++a) at[a] += unit * strides[0][a];
  }
};

__device__ __forceinline__ unsigned strided_unit() { return blockIdx.x * kStridedThreads + threadIdx.x; }

template <class T, int n>
struct alignas(n * sizeof(T)) Elements {
  T value[n];
};

// n elements side by side, or one (`inner` = 0) n times.
template <int n, class T>
__device__ __forceinline__ Elements<T, n> load_elements(const T* p, int64_t inner) {
  Elements<T, n> elements;
  if (n == 1 || inner == 0) {
    const T value = *p;
    for (int i = 0; i < n; ++i) elements.value[i] = value;
  } else {
    elements = *reinterpret_cast<const Elements<T, n>*>(p);
  }
  return elements;
}

template <int n, class T>
__device__ __forceinline__ void store_elements(T* p, const Elements<T, n>& elements) {
  *reinterpret_cast<Elements<T, n>*>(p) = elements;
}

// Elements to what kernels compute in, and back.
template <class T>
__device__ __forceinline__ Arithmetic<T> widened(T value) {
  if constexpr (std::is_same_v<T, bf16>)
    return simt::to_float(value);
  else
    return value;
}
template <class T>
__device__ __forceinline__ T rounded(Arithmetic<T> value) {
  if constexpr (std::is_same_v<T, bf16>)
    return simt::from_float<T>(value);
  else
    return value;
}

}  // namespace tessera::cuda
