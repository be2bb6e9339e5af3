// Attention over one head of one sequence, on the CPU, in arithmetic of type T: f32 of f32 and bf16, f64 of f64, and
// f64 of f32 where heads are narrow (attention.h).
#pragma once

#include "tensor/ops/attention/attention_tiles.h"

namespace tessera::ops::attention_detail {

// log_sum_exp [query tokens, heads]
template <class T, class E>
void forward_unit(const Sizes& sizes, const Unit& unit, Rows<const E> q, Rows<const E> k, Rows<const E> v, Rows<E> out,
                  Arithmetic<E>* log_sum_exp);
// All queries of one head of one sequence: every gradient is summed here alone, in the order of the tiles.
template <class T, class E>
void backward_unit(const Sizes& sizes, int64_t s, int64_t head, const BackwardRows<E>& x);

// Dropout, in place, of a tile [rows, length] of one head whose rows are the queries from `query` on, of all tokens,
// and whose n columns are a sequence's keys from `key` on.
template <class T>
inline void drop(const Sizes& sizes, int64_t head, int64_t query, int64_t key, T* tile, int64_t rows, int64_t n,
                 int64_t length) {
  if (!sizes.dropout.drops()) return;
  const T scale = static_cast<T>(sizes.dropout.scale());
  const uint32_t last_dropped = sizes.dropout.last_dropped();
  DropoutMask::Buffer buffer;
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t first = (((query + r) * sizes.heads + head) << 32) + key;
    const uint32_t* words = sizes.dropout.words(first, n, buffer);
    T* row = tile + r * length;
    for (int64_t j = 0; j < n; ++j) row[j] = words[j] > last_dropped ? row[j] * scale : T{0};
  }
}

}  // namespace tessera::ops::attention_detail
