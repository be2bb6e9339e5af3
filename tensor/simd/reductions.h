// Sums and maxima of a run of elements, and loops over a row, in lanes. The order of a sum depends on the length alone.
#pragma once

#include <array>
#include <cstdint>
#include <limits>

#include "tensor/activation.h"
#include "tensor/simd/lanes.h"

namespace tessera::simd {

// How a run is cut: `chains` running vectors of `bytes` each, which take the run's vectors in turn. A single running
// sum would wait for each addition; several independent ones keep the adders busy, and the error grows with the length
// of one lane of one chain. The whole vectors behind the last round go to the first chain. Then chains are combined in
// pairs, lanes by halves, and the last elements follow one by one.
struct Order {
  int bytes, chains;
};
inline constexpr Order kShortOrder{kVectorBytes, 1};  // runs of a few vectors, in whole registers
inline constexpr Order kLongOrder{32, 4};             // the same bits on every machine
inline constexpr Order kRowOrder{64, 2};              // likewise, for several sums over a row at once

// How a loop over a row reads: vectors, and what is left one by one. Both widen bf16 to f32.
template <int bytes>
struct LoadVector {
  template <class T>
  auto operator()(const T* p) const {
    return load<bytes>(p);
  }
};
struct LoadScalar {
  template <class T>
  Arithmetic<T> operator()(const T* p) const {
    return static_cast<Arithmetic<T>>(*p);
  }
};

// N sums over a run at once. terms(load, i, sums) adds its terms at i to sums[0 .. N): for i in steps of a vector with
// a load of vectors, then for the last elements with a load of scalars.
template <class T, size_t N, Order order = kRowOrder, class F>
inline std::array<T, N> sums_over(int64_t n, F&& terms) {
  using V = Vector<T, order.bytes>;
  constexpr LoadVector<order.bytes> load_vector;
  constexpr int64_t lanes = kLanes<T, order.bytes>;
  V total[order.chains][N] = {};
  int64_t i = 0;
  for (; i + order.chains * lanes <= n; i += order.chains * lanes)
#pragma GCC unroll 4
    for (int c = 0; c < order.chains; ++c) terms(load_vector, i + c * lanes, total[c]);
  for (; i + lanes <= n; i += lanes) terms(load_vector, i, total[0]);
#pragma GCC unroll 4
  for (int step = 1; step < order.chains; step *= 2)
#pragma GCC unroll 4
    for (int c = 0; c + step < order.chains; c += 2 * step)
      for (size_t k = 0; k < N; ++k) total[c][k] += total[c + step][k];
  std::array<T, N> sums;
  for (size_t k = 0; k < N; ++k) sums[k] = sum_of_lanes<T, order.bytes>(total[0][k]);
  for (; i < n; ++i) terms(LoadScalar{}, i, sums);
  return sums;
}

// Σ x[i], i < n.
template <Order order = kShortOrder, class T>
inline T sum(const T* x, int64_t n) {
  return sums_over<T, 1, order>(n, [x](auto load, int64_t i, auto& sums) { sums[0] += load(x + i); })[0];
}

// Σ a[i] b[i], i < n. Either may be bf16. Not inlined: the compiler would decide at each place anew which of the last
// products it fuses with the sum.
template <Order order = kShortOrder, class A, class B, class T = Arithmetic<A>>
[[gnu::noinline]] T dot(const A* a, const B* b, int64_t n) {
  const auto terms = [a, b](auto load, int64_t i, auto& sums) { sums[0] += load(a + i) * load(b + i); };
  return sums_over<T, 1, order>(n, terms)[0];
}

// max x[i], i < n; -∞ for n = 0. NaN elements are passed over.
template <Order order = kShortOrder, class T, class A = Arithmetic<T>>
inline A maximum(const T* x, int64_t n) {
  using V = Vector<A, order.bytes>;
  constexpr int64_t lanes = kLanes<A, order.bytes>;
  V most[order.chains];
  for (V& chain : most) chain = splat<A, order.bytes>(-std::numeric_limits<A>::infinity());
  const auto take = [x](V& chain, int64_t i) { chain = larger<A, order.bytes>(load<order.bytes>(x + i), chain); };
  int64_t i = 0;
  for (; i + order.chains * lanes <= n; i += order.chains * lanes)
#pragma GCC unroll 4
    for (int c = 0; c < order.chains; ++c) take(most[c], i + c * lanes);
  for (; i + lanes <= n; i += lanes) take(most[0], i);
#pragma GCC unroll 4
  for (int c = 1; c < order.chains; ++c) most[0] = larger<A, order.bytes>(most[0], most[c]);
  A result = largest_lane<A, order.bytes>(most[0]);
  for (; i < n; ++i) result = static_cast<A>(x[i]) > result ? static_cast<A>(x[i]) : result;
  return result;
}

// Calls body(load, i) for i in steps of a vector, then for single elements with a scalar load.
template <class T, class F>
inline void for_row(int64_t n, F&& body) {
  constexpr int64_t lanes = kLanes<T, kRowOrder.bytes>;
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) body(LoadVector<kRowOrder.bytes>{}, i);
  for (; i < n; ++i) body(LoadScalar{}, i);
}

}  // namespace tessera::simd
