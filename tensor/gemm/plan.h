// How a product on the BLAS is cut into pieces for the threads, by its sizes alone.
#pragma once

#include <cstdint>

namespace tessera {

// Pieces of at most `rows` × `columns` of C, and of at most `depth` of k, whose partial products are added in order.
struct GemmPlan {
  int64_t rows, columns, depth;
};
GemmPlan plan_gemm(int64_t m, int64_t n, int64_t k);

constexpr int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace tessera
