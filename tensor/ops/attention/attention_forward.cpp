// Attention's forward pass over one head: tiles of scores and a softmax that runs over blocks of keys.
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "tensor/ops/attention/attention_units.h"
#include "tensor/simd/small_product.h"

namespace tessera::ops::attention_detail {
namespace {

// Softmax over all blocks of keys in one pass: with the maximum m and the sum l so far, a block with larger maximum m'
// scales what has been summed by exp(m - m').
template <class T>
struct RunningSoftmax {
  T maximum = -std::numeric_limits<T>::infinity(), sum = 0;

  // Subtracts the new maximum from a row of scores. Returns what `sums` and `sum` have to be multiplied by.
  T shift(T* scores, int64_t visible, int64_t length) {
    const T before = maximum, most = largest(scores, visible);
    maximum = most > before ? most : before;
    subtract(scores, visible, length, maximum);
    return sum == 0 ? T{1} : vmath::exp(before - maximum);
  }
};

// A tile of scores → exponentials, in place; brings sums [rows, width] of the keys before up to the new maxima.
template <class T, class Visible>
void softmax_tile(RunningSoftmax<T>* softmax, T* scores, int64_t rows, int64_t length, T* sums, int64_t width,
                  Visible visible) {
  for (int64_t r = 0; r < rows; ++r) {
    const T factor = softmax[r].shift(scores + r * length, visible(r), length);
    if (softmax[r].sum == 0) continue;
    softmax[r].sum *= factor;
    for (int64_t d = 0; d < width; ++d) sums[r * width + d] *= factor;
  }
  exponentials(scores, rows, length);
  for (int64_t r = 0; r < rows; ++r) softmax[r].sum += clear_and_sum(scores + r * length, visible(r), length);
}

}  // namespace

template <class T, class E>
void forward_unit(const Sizes& sizes, const Unit& unit, Rows<const E> q, Rows<const E> k, Rows<const E> v, Rows<E> out,
                  Arithmetic<E>* log_sum_exp) {
  const int64_t s = unit.sequence, d = sizes.head_size, width = simd::padded<T>(d), column = unit.head * d;
  const int64_t first_query = sizes.cu_queries[s] + unit.query, first_key = sizes.cu_keys[s];
  const int64_t needed_keys = sizes.visible(s, unit.query + unit.queries - 1);
  const int64_t block = std::min(simd::padded<T>(needed_keys), kForwardKeys);

  Scratch scratch = Scratch::of_this_thread(Scratch::bytes_for<T>(d * block) + Scratch::bytes_for<T>(block * width) +
                                            Scratch::bytes_for<T>(kForwardTile * block) +
                                            2 * Scratch::bytes_for<T>(unit.queries * width));
  T* keys = scratch.take<T>(d * block);
  T* values = scratch.take<T>(block * width);
  T* scores = scratch.take<T>(kForwardTile * block);
  T* sums = scratch.take<T>(unit.queries * width);
  simd::Operand<T> queries;  // what has the type of the arithmetic is read in place
  if constexpr (!std::is_same_v<E, T>) {
    T* widened = scratch.take<T>(unit.queries * width);
    simd::pack_rows(q.at(first_query, column), q.stride, unit.queries, d, widened);
    queries = {widened, width, 1};
  } else {
    queries = {q.at(first_query, column), q.stride, 1};
  }
  RunningSoftmax<T> softmax[kQueryBlock];
  if (needed_keys == 0) std::memset(sums, 0, static_cast<size_t>(unit.queries * width) * sizeof(T));

  for (int64_t begin = 0; begin < needed_keys; begin += kForwardKeys) {
    const int64_t n = std::min(kForwardKeys, needed_keys - begin), length = simd::padded<T>(n);
    simd::pack_transposed(k.at(first_key + begin, column), k.stride, n, d, static_cast<T>(sizes.scale()), keys);
    simd::pack_rows(v.at(first_key + begin, column), v.stride, n, d, values);
    for (int64_t i = 0; i < unit.queries; i += kForwardTile) {
      const int64_t rows = std::min(kForwardTile, unit.queries - i);
      simd::product<T>({queries.data + i * queries.row, queries.row, 1}, keys, length, scores, length, rows, n, d,
                       false);
      softmax_tile(softmax + i, scores, rows, length, sums + i * width, width,
                   [&](int64_t r) { return std::clamp<int64_t>(sizes.visible(s, unit.query + i + r) - begin, 0, n); });
      drop(sizes, unit.head, first_query + i, begin, scores, rows, n, length);
      simd::product<T>({scores, length, 1}, values, width, sums + i * width, width, rows, d, n, begin > 0);
    }
  }

  for (int64_t i = 0; i < unit.queries; ++i) {
    const bool sees = softmax[i].sum != 0;
    const T factor = sees ? 1 / softmax[i].sum : T{0};
    for (int64_t c = 0; c < width; ++c) sums[i * width + c] *= factor;
    log_sum_exp[(first_query + i) * sizes.heads + unit.head] =
        static_cast<Arithmetic<E>>(softmax[i].maximum + std::log(softmax[i].sum));
  }
  simd::unpack_rows(sums, unit.queries, d, out.at(first_query, column), out.stride);
}

template void forward_unit<float>(const Sizes&, const Unit&, Rows<const float>, Rows<const float>, Rows<const float>,
                                  Rows<float>, float*);
template void forward_unit<double>(const Sizes&, const Unit&, Rows<const float>, Rows<const float>, Rows<const float>,
                                   Rows<float>, float*);
template void forward_unit<double>(const Sizes&, const Unit&, Rows<const double>, Rows<const double>,
                                   Rows<const double>, Rows<double>, double*);
template void forward_unit<float>(const Sizes&, const Unit&, Rows<const bf16>, Rows<const bf16>, Rows<const bf16>,
                                  Rows<bf16>, float*);

}  // namespace tessera::ops::attention_detail
