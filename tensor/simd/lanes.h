// Sums and maxima of a contiguous run, in independent lanes: a single running sum would wait for each addition, and the
// compiler may not reorder additions by itself. The order is fixed, and the error grows with n / lanes.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>

namespace tessera::ops {

template <class T>
struct Lanes {
  static constexpr int64_t kCount = 32 / sizeof(T);  // one 256-bit register
  typedef T Vector __attribute__((vector_size(32)));

  static Vector load(const T* p) {
    Vector v;
    std::memcpy(&v, p, sizeof(v));
    return v;
  }
};

// The lanes of a vector combined in pairs of halves.
template <class T, class F>
T fold_lanes(typename Lanes<T>::Vector v, F f) {
  T lane[Lanes<T>::kCount];
  std::memcpy(lane, &v, sizeof(v));
  for (int64_t half = Lanes<T>::kCount / 2; half > 0; half /= 2)
    for (int64_t k = 0; k < half; ++k) lane[k] = f(lane[k], lane[k + half]);
  return lane[0];
}

// Σ_i f(i) over [0, n), where f.at(i) gives one term and f.vector(i) those of i .. i + kCount - 1.
template <class T, class F>
T lane_sum(int64_t n, F f) {
  using L = Lanes<T>;
  typename L::Vector total[4] = {};
  int64_t i = 0;
  for (; i + 4 * L::kCount <= n; i += 4 * L::kCount)
    for (int k = 0; k < 4; ++k) total[k] += f.vector(i + k * L::kCount);
  for (; i + L::kCount <= n; i += L::kCount) total[0] += f.vector(i);
  const typename L::Vector all = (total[0] + total[1]) + (total[2] + total[3]);
  T sum = fold_lanes<T>(all, [](T a, T b) { return a + b; });
  for (; i < n; ++i) sum += f.at(i);
  return sum;
}

template <class T>
struct RunTerms {
  const T* x;
  T at(int64_t i) const { return x[i]; }
  auto vector(int64_t i) const { return Lanes<T>::load(x + i); }
};
template <class T>
T run_sum(const T* x, int64_t n) {
  return lane_sum<T>(n, RunTerms<T>{x});
}

template <class T>
struct ProductTerms {
  const T *x, *y;
  T at(int64_t i) const { return x[i] * y[i]; }
  auto vector(int64_t i) const { return Lanes<T>::load(x + i) * Lanes<T>::load(y + i); }
};
template <class T>
T run_dot(const T* x, const T* y, int64_t n) {
  return lane_sum<T>(n, ProductTerms<T>{x, y});
}

// The largest of n elements, -∞ if n = 0. NaN elements are passed over.
template <class T>
T run_max(const T* x, int64_t n) {
  using L = Lanes<T>;
  constexpr T kLowest = -std::numeric_limits<T>::infinity();
  typename L::Vector largest[2];
  largest[0] = largest[1] = typename L::Vector{} + kLowest;
  int64_t i = 0;
  for (; i + 2 * L::kCount <= n; i += 2 * L::kCount) {
    for (int k = 0; k < 2; ++k) {
      const typename L::Vector v = L::load(x + i + k * L::kCount);
      largest[k] = v > largest[k] ? v : largest[k];
    }
  }
  T result = fold_lanes<T>(largest[0] > largest[1] ? largest[0] : largest[1], [](T a, T b) { return a > b ? a : b; });
  for (; i < n; ++i) result = x[i] > result ? x[i] : result;
  return result;
}

}  // namespace tessera::ops
