#include "tensor/gemm/blas.h"

#include <algorithm>
#include <limits>
#include <mutex>
#include <string>
#include <type_traits>

#include <cblas.h>

#include "tensor/gemm/blas_lock.h"

namespace tessera::detail {
namespace {

// Held during a product where the BLAS leaves no other way to keep products of several threads apart.
std::unique_lock<std::mutex> product_lock() {
  static std::mutex mutex;
  return blas_safety() == BlasSafety::product ? std::unique_lock(mutex) : std::unique_lock<std::mutex>();
}

void blas(bool ta, bool tb, int m, int n, int k, float alpha, const float* a, int lda, const float* b, int ldb,
          float beta, float* c, int ldc) {
  const auto lock = product_lock();
  const BlasBuffer buffer;
  cblas_sgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, m, n, k, alpha, a, lda, b,
              ldb, beta, c, ldc);
}

void blas(bool ta, bool tb, int m, int n, int k, double alpha, const double* a, int lda, const double* b, int ldb,
          double beta, double* c, int ldc) {
  const auto lock = product_lock();
  const BlasBuffer buffer;
  cblas_dgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, m, n, k, alpha, a, lda, b,
              ldb, beta, c, ldc);
}

// beta · C for a product without terms (the BLAS is not asked: it demands leading dimensions of at least 1).
template <class T>
void scale(const Gemm<T>& g) {
  for (int64_t i = 0; i < g.m; ++i) {
    T* row = g.c + i * g.ldc;
    if (g.beta == T{0})
      std::fill(row, row + g.n, T{0});
    else if (g.beta != T{1})
      for (int64_t j = 0; j < g.n; ++j) row[j] *= g.beta;
  }
}

// Some BLAS kernels read small f32 operands where they lie, without packing them first, which for narrow matrices is
// up to a third faster. They take products of up to 10⁶ multiply-adds whose right operand is not transposed.
constexpr int64_t kUnpackedLimit = 1000000;
template <class T>
bool has_unpacked_kernels() {
  static const bool found = [] {
    const std::string core = openblas_get_corename();
    return core == "SkylakeX" || core == "Cooperlake" || core == "SapphireRapids";
  }();
  return found && std::is_same_v<T, float>;
}

template <class T>
void whole(const Gemm<T>& g) {
  blas(g.transpose_a, g.transpose_b, static_cast<int>(g.m), static_cast<int>(g.n), static_cast<int>(g.k), g.alpha, g.a,
       static_cast<int>(g.lda), g.b, static_cast<int>(g.ldb), g.beta, g.c, static_cast<int>(g.ldc));
}

}  // namespace

template <class T>
void check_sizes(const Gemm<T>& g) {
  constexpr int64_t kLimit = std::numeric_limits<int>::max();
  check(g.m >= 0 && g.n >= 0 && g.k >= 0, "gemm: negative size in m ", g.m, ", n ", g.n, ", k ", g.k);
  for (const int64_t size : {g.m, g.n, g.k, g.lda, g.ldb, g.ldc})
    check(size <= kLimit, "gemm: size or leading dimension ", size, " is beyond the BLAS's limit of ", kLimit);
}

template <class T>
void blas_product(const Gemm<T>& g) {
  if (g.m == 0 || g.n == 0) return;
  if (g.k == 0) {
    scale(g);
    return;
  }
  if (!has_unpacked_kernels<T>() || g.transpose_b) {
    whole(g);
    return;
  }
  const GemmTile all{0, g.m, 0, g.n};
  if (g.transpose_a) {
    const int64_t terms = kUnpackedLimit / (g.m * g.n) / 4 * 4;
    if (terms < 20) return whole(g);
    for (int64_t begin = 0; begin < g.k; begin += terms) {
      Gemm<T> strip = part(g, all, begin, std::min(g.k, begin + terms));
      if (begin > 0) strip.beta = 1;
      whole(strip);
    }
  } else {
    const int64_t rows = kUnpackedLimit / (g.n * g.k) / 4 * 4;
    if (rows < 32) return whole(g);
    for (int64_t begin = 0; begin < g.m; begin += rows)
      whole(part(g, {begin, std::min(g.m, begin + rows), 0, g.n}, 0, g.k));
  }
}

template <class T>
bool worth_transposing(const Gemm<T>& g) {
  return has_unpacked_kernels<T>() && g.transpose_b && !g.transpose_a && g.m >= 512 && g.k >= 16 && g.n >= 16 &&
         g.n * g.k * 32 <= kUnpackedLimit;
}

// Rows whose distance is a multiple of 512 bytes would compete for the same few cache lines.
template <class T>
Tensor transposed_right(const Gemm<T>& g) {
  const int64_t ld = g.n % 128 == 0 ? g.n + 16 : g.n;
  Tensor copy = Tensor::empty({g.k, ld}, dtype_of<T>::value);
  T* to = copy.mutable_data<T>();
  constexpr int64_t kBlock = 16;
  for (int64_t j = 0; j < g.n; j += kBlock)
    for (int64_t l = 0; l < g.k; ++l)
      for (int64_t i = j; i < std::min(g.n, j + kBlock); ++i) to[l * ld + i] = g.b[i * g.ldb + l];
  return copy;
}

template void check_sizes(const Gemm<float>&);
template void blas_product(const Gemm<float>&);
template bool worth_transposing(const Gemm<float>&);
template Tensor transposed_right(const Gemm<float>&);
template void check_sizes(const Gemm<double>&);
template void blas_product(const Gemm<double>&);
template bool worth_transposing(const Gemm<double>&);
template Tensor transposed_right(const Gemm<double>&);

}  // namespace tessera::detail
