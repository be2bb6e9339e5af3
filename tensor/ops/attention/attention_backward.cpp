// Attention's backward pass over one head, tile by tile.
#include <cstring>
#include <type_traits>

#include "tensor/ops/attention/attention_units.h"
#include "tensor/simd/small_product.h"

namespace tessera::ops::attention_detail {
namespace {

// A tile of scores S → P, and of gradients dP → scale · dS, in place.
template <class T, class L, class Visible>
void score_gradients(T* scores, T* gradients, int64_t rows, int64_t length, const L* log_sum_exp, int64_t heads,
                     const T* d_sums, T scale, Visible visible) {
  for (int64_t r = 0; r < rows; ++r)
    subtract(scores + r * length, visible(r), length, static_cast<T>(log_sum_exp[r * heads]));
  exponentials(scores, rows, length);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t j = 0; j < length; j += simd::kLanes<T>) {
      T *p = scores + r * length + j, *dp = gradients + r * length + j;
      const simd::Vector<T> zero{}, v = simd::first_lanes<T>(visible(r) - j) ? simd::load(p) : zero;
      simd::store(p, v);
      simd::store(dp, v * (simd::load(dp) - d_sums[r]) * scale);
    }
}

// The same where a tile holds whole rows, with which a row of dS sums to zero as closely as its own rounding allows: P
// is divided by its own sum, which leaves log_sum_exp's rounding out, and the mean of dP is taken off in two steps,
// since what the first leaves is small.
template <class T, class L, class Visible>
void whole_row_gradients(T* scores, T* gradients, int64_t rows, int64_t length, const L* log_sum_exp, int64_t heads,
                         T scale, Visible visible) {
  using Vector = simd::Vector<T>;
  for (int64_t r = 0; r < rows; ++r)
    subtract(scores + r * length, visible(r), length, static_cast<T>(log_sum_exp[r * heads]));
  exponentials(scores, rows, length);
  for (int64_t r = 0; r < rows; ++r) {
    T *p = scores + r * length, *dp = gradients + r * length;
    const T sum = clear_and_sum(p, visible(r), length), factor = sum != 0 ? 1 / sum : T{0};
    Vector weighted{}, rest{};
    for (int64_t j = 0; j < length; j += simd::kLanes<T>) weighted += simd::load(p + j) * simd::load(dp + j);
    const T mean = simd::sum_of_lanes<T>(weighted) * factor;
    for (int64_t j = 0; j < length; j += simd::kLanes<T>) {
      const Vector centred = simd::load(dp + j) - mean;
      simd::store(dp + j, centred);
      rest += simd::load(p + j) * centred;
    }
    const T small = simd::sum_of_lanes<T>(rest) * factor;
    for (int64_t j = 0; j < length; j += simd::kLanes<T>) {
      const Vector v = simd::load(p + j) * factor;
      simd::store(p + j, v);
      simd::store(dp + j, v * (simd::load(dp + j) - small) * scale);
    }
  }
}

// dO_i · out_i
template <class T, class E>
T scalar_product(const T* a, const E* b, int64_t n) {
  if constexpr (std::is_same_v<T, Arithmetic<E>>) return simd::dot(a, b, n);
  T sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += a[i] * static_cast<T>(b[i]);
  return sum;
}

}  // namespace

template <class T, class E>
void backward_unit(const Sizes& sizes, int64_t s, int64_t head, const BackwardRows<E>& x) {
  const int64_t d = sizes.head_size, width = simd::padded<T>(d), column = head * d;
  const int64_t first_query = sizes.cu_queries[s], queries = sizes.queries(s);
  const int64_t first_key = sizes.cu_keys[s], keys = sizes.keys(s);
  if (queries == 0 && keys == 0) return;
  const int64_t block = std::min(simd::padded<T>(keys), kBackwardKeys), tile = std::min(queries, kBackwardTile);
  const T scale = static_cast<T>(sizes.scale());

  Scratch scratch =
      Scratch::of_this_thread(3 * Scratch::bytes_for<T>(queries * width) + Scratch::bytes_for<T>(queries) +
                              3 * Scratch::bytes_for<T>(block * width) + 2 * Scratch::bytes_for<T>(d * block) +
                              2 * Scratch::bytes_for<T>(tile * block));
  T* q = scratch.take<T>(queries * width);
  T* dout = scratch.take<T>(queries * width);
  T* dq = scratch.take<T>(queries * width);
  T* d_sums = scratch.take<T>(queries);
  T* k = scratch.take<T>(block * width);
  T* dk = scratch.take<T>(block * width);
  T* dv = scratch.take<T>(block * width);
  T* k_transposed = scratch.take<T>(d * block);
  T* v_transposed = scratch.take<T>(d * block);
  T* scores = scratch.take<T>(tile * block);
  T* gradients = scratch.take<T>(tile * block);

  simd::pack_rows(x.q.at(first_query, column), x.q.stride, queries, d, q);
  simd::pack_rows(x.dout.at(first_query, column), x.dout.stride, queries, d, dout);
  std::memset(dq, 0, static_cast<size_t>(queries * width) * sizeof(T));
  const bool whole_rows = keys <= kBackwardKeys;
  for (int64_t i = 0; i < queries && !whole_rows; ++i)
    d_sums[i] = scalar_product(dout + i * width, x.out.at(first_query + i, column), d);

  for (int64_t begin = 0; begin < keys; begin += kBackwardKeys) {
    const int64_t n = std::min(kBackwardKeys, keys - begin), length = simd::padded<T>(n);
    simd::pack_rows(x.k.at(first_key + begin, column), x.k.stride, n, d, k);
    simd::pack_transposed(x.k.at(first_key + begin, column), x.k.stride, n, d, scale, k_transposed);
    simd::pack_transposed(x.v.at(first_key + begin, column), x.v.stride, n, d, T{1}, v_transposed);
    std::memset(dk, 0, static_cast<size_t>(n * width) * sizeof(T));
    std::memset(dv, 0, static_cast<size_t>(n * width) * sizeof(T));
    for (int64_t i = 0; i < queries; i += kBackwardTile) {
      const int64_t rows = std::min(kBackwardTile, queries - i);
      if (sizes.visible(s, i + rows - 1) <= begin) continue;
      const T *q_tile = q + i * width, *dout_tile = dout + i * width;
      simd::product<T>({q_tile, width, 1}, k_transposed, length, scores, length, rows, n, d, false);
      simd::product<T>({dout_tile, width, 1}, v_transposed, length, gradients, length, rows, n, d, false);
      drop(sizes, head, first_query + i, begin, gradients, rows, n, length);
      const Arithmetic<E>* log_sum_exp = x.log_sum_exp + (first_query + i) * sizes.heads + head;
      const auto visible = [&](int64_t r) { return std::clamp<int64_t>(sizes.visible(s, i + r) - begin, 0, n); };
      if (whole_rows)
        whole_row_gradients(scores, gradients, rows, length, log_sum_exp, sizes.heads, scale, visible);
      else
        score_gradients(scores, gradients, rows, length, log_sum_exp, sizes.heads, d_sums + i, scale, visible);
      drop(sizes, head, first_query + i, begin, scores, rows, n, length);
      simd::product<T>({scores, 1, length}, dout_tile, width, dv, width, n, d, rows, true);
      simd::product<T>({gradients, 1, length}, q_tile, width, dk, width, n, d, rows, true);
      simd::product<T>({gradients, length, 1}, k, width, dq + i * width, width, rows, d, n, true);
    }
    simd::unpack_rows(dk, n, d, x.dk.at(first_key + begin, column), x.dk.stride);
    simd::unpack_rows(dv, n, d, x.dv.at(first_key + begin, column), x.dv.stride);
  }
  simd::unpack_rows(dq, queries, d, x.dq.at(first_query, column), x.dq.stride);
}

template void backward_unit<float>(const Sizes&, int64_t, int64_t, const BackwardRows<float>&);
template void backward_unit<double>(const Sizes&, int64_t, int64_t, const BackwardRows<float>&);
template void backward_unit<double>(const Sizes&, int64_t, int64_t, const BackwardRows<double>&);
template void backward_unit<float>(const Sizes&, int64_t, int64_t, const BackwardRows<bf16>&);

}  // namespace tessera::ops::attention_detail
