#include "tensor/gemm/exact_sums.h"

#include "tensor/gemm/blas.h"
#include "tensor/tensor.h"

namespace tessera::detail {
namespace {

// op(x) [rows, columns], in f64.
void widen(const float* x, int64_t ld, bool transpose, int64_t rows, int64_t columns, double* out) {
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j)
      out[i * columns + j] = static_cast<double>(transpose ? x[j * ld + i] : x[i * ld + j]);
}

}  // namespace

bool worth_exactness(int64_t m, int64_t n, int64_t k) {
  constexpr int64_t kLimit = 1 << 20;  // multiply-adds
  return k > 1 && m * n <= kLimit / k;
}

void exact_product(const Gemm<float>& g) {
  Tensor memory = Tensor::empty({g.m * g.k + g.k * g.n + g.m * g.n}, DType::f64);
  double* a = memory.mutable_data<double>();
  double *b = a + g.m * g.k, *c = b + g.k * g.n;
  widen(g.a, g.lda, g.transpose_a, g.m, g.k, a);
  widen(g.b, g.ldb, g.transpose_b, g.k, g.n, b);
  if (g.beta != 0) widen(g.c, g.ldc, false, g.m, g.n, c);
  blas_product<double>({.m = g.m,
                        .n = g.n,
                        .k = g.k,
                        .a = a,
                        .lda = g.k,
                        .b = b,
                        .ldb = g.n,
                        .c = c,
                        .ldc = g.n,
                        .alpha = static_cast<double>(g.alpha),
                        .beta = static_cast<double>(g.beta)});
  for (int64_t i = 0; i < g.m; ++i)
    for (int64_t j = 0; j < g.n; ++j) g.c[i * g.ldc + j] = static_cast<float>(c[i * g.n + j]);
}

}  // namespace tessera::detail
