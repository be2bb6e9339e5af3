// Marks of packed sequences.
#pragma once

#include "tests/ops/matrix_reference.h"

namespace tessera::test {

// cu_seqlens of sequences of these lengths.
inline Tensor marks(const std::vector<int64_t>& lengths) {
  std::vector<int64_t> values{0};
  for (const int64_t length : lengths) values.push_back(values.back() + length);
  return Tensor::from(values);
}

inline int64_t total(const std::vector<int64_t>& lengths) {
  int64_t sum = 0;
  for (const int64_t length : lengths) sum += length;
  return sum;
}

}  // namespace tessera::test
