#include "tensor/gemm/gemm.h"

#include <algorithm>
#include <limits>
#include <mutex>
#include <string>
#include <type_traits>

#include <cblas.h>

#include "tensor/gemm/blas_lock.h"
#include "tensor/parallel.h"
#include "tensor/gemm/packed/precision.h"
#include "tensor/gemm/packed/product.h"
#include "tensor/tensor.h"

namespace tessera {
namespace {

// Held during a product where the BLAS leaves no other way to keep products of several threads apart.
std::unique_lock<std::mutex> product_lock() {
  static std::mutex mutex;
  return detail::blas_safety() == detail::BlasSafety::product ? std::unique_lock(mutex) : std::unique_lock<std::mutex>();
}

void blas(bool ta, bool tb, int m, int n, int k, float alpha, const float* a, int lda, const float* b, int ldb,
          float beta, float* c, int ldc) {
  const auto lock = product_lock();
  cblas_sgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, m, n, k, alpha, a, lda, b,
              ldb, beta, c, ldc);
}

void blas(bool ta, bool tb, int m, int n, int k, double alpha, const double* a, int lda, const double* b, int ldb,
          double beta, double* c, int ldc) {
  const auto lock = product_lock();
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

// The part of `g` that computes `tile` from the terms [begin, end) of k.
template <class T>
Gemm<T> part(Gemm<T> g, const GemmTile& tile, int64_t begin, int64_t end) {
  g.a += g.transpose_a ? begin * g.lda + tile.row_begin : tile.row_begin * g.lda + begin;
  g.b += g.transpose_b ? tile.column_begin * g.ldb + begin : begin * g.ldb + tile.column_begin;
  g.c += tile.row_begin * g.ldc + tile.column_begin;
  g.m = tile.row_end - tile.row_begin;
  g.n = tile.column_end - tile.column_begin;
  g.k = end - begin;
  return g;
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

// A product on this thread. Where the BLAS can do without packing, it is cut into strips that are small enough, of rows
// or, for aᵀ · b, of terms, unless they were so thin that nothing is won (measured).
template <class T>
void serial(const Gemm<T>& g) {
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
void check_sizes(const Gemm<T>& g) {
  constexpr int64_t kLimit = std::numeric_limits<int>::max();
  check(g.m >= 0 && g.n >= 0 && g.k >= 0, "gemm: negative size in m ", g.m, ", n ", g.n, ", k ", g.k);
  for (const int64_t size : {g.m, g.n, g.k, g.lda, g.ldb, g.ldc})
    check(size <= kLimit, "gemm: size or leading dimension ", size, " is beyond the BLAS's limit of ", kLimit);
}

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

// `size` cut into `pieces`, in multiples of `unit`.
int64_t piece(int64_t size, int64_t pieces, int64_t unit) {
  return std::max<int64_t>(1, std::min(size, divide_up(divide_up(size, pieces), unit) * unit));
}

// The result lies where the last partial products are added in order: `depth_pieces` blocks of [m, n], one after
// another. alpha is in the partial products already.
template <class T>
void add_partial_products(const Gemm<T>& g, const T* partial, int64_t depth_pieces, const GemmTile& rows) {
  for (int64_t i = rows.row_begin; i < rows.row_end; ++i) {
    T* out = g.c + i * g.ldc;
    for (int64_t d = 0; d < depth_pieces; ++d) {
      const T* in = partial + (d * g.m + i) * g.n;
      if (d > 0 || g.beta == T{1})
        for (int64_t j = 0; j < g.n; ++j) out[j] += in[j];
      else if (g.beta == T{0})
        std::copy(in, in + g.n, out);
      else
        for (int64_t j = 0; j < g.n; ++j) out[j] = g.beta * out[j] + in[j];
    }
  }
}

template <class T>
void cut_in_depth(const Gemm<T>& g, int64_t depth, detail::TileFunction epilogue, void* context) {
  const int64_t pieces = divide_up(g.k, depth);
  Tensor partial = Tensor::empty({pieces, g.m, g.n}, dtype_of<T>::value);
  T* memory = partial.mutable_data<T>();
  parallel_chunks(pieces, [&](int64_t d) {
    Gemm<T> piece = part(g, {0, g.m, 0, g.n}, d * depth, std::min(g.k, (d + 1) * depth));
    piece.c = memory + d * g.m * g.n;
    piece.ldc = g.n;
    piece.beta = 0;
    serial(piece);
  });
  parallel_for(g.m, grain_for(pieces * g.n), [&](int64_t begin, int64_t end) {
    const GemmTile rows{begin, end, 0, g.n};
    add_partial_products(g, memory, pieces, rows);
    if (epilogue) epilogue(context, rows);
  });
}

}  // namespace

// The number of pieces follows the work: one below 4 Mflop (about 16 µs, against 1 to 2 µs for
// starting a parallel loop), then
// up to eight, then so many that none has more than 512 Mflop. A power of two divides evenly among the usual numbers of
// threads.
//
// The grid is the cheapest one. The BLAS copies its operands into packed form in every piece; a copied element costs
// about 20 multiply-adds (measured: AVX-512 core, 230 to 270 Gflop/s), an element of a partial product that is written
// and added about 30.
GemmPlan plan_gemm(int64_t m, int64_t n, int64_t k) {
  constexpr double kPiece = 2e6, kLargePiece = 512e6, kPackCost = 20, kPartialCost = 30;
  const double flops = 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  int64_t pieces = 1;
  while (pieces < 8 && flops >= kPiece * 2 * static_cast<double>(pieces)) pieces *= 2;
  while (pieces < 64 && flops > kLargePiece * static_cast<double>(pieces)) pieces *= 2;
  if (pieces == 1) return {std::max<int64_t>(m, 1), std::max<int64_t>(n, 1), std::max<int64_t>(k, 1)};

  double best = std::numeric_limits<double>::infinity();
  int64_t best_rows = 1, best_columns = 1, best_depth = 1;
  const auto consider = [&](int64_t rows, int64_t columns, int64_t depth) {
    if ((rows > 1 && m / rows < 4) || (columns > 1 && n / columns < 16) || (depth > 1 && k / depth < 64)) return;
    const double packed = static_cast<double>(k) * static_cast<double>(rows * n + columns * m);
    const double partial = depth == 1 ? 0 : static_cast<double>(depth * m) * static_cast<double>(n);
    const double cost = kPackCost * packed + kPartialCost * partial;
    if (cost >= best) return;
    best = cost;
    best_rows = rows, best_columns = columns, best_depth = depth;
  };
  for (; pieces > 1 && best_rows * best_columns * best_depth == 1; pieces /= 2) {
    for (int64_t rows = 1; rows <= pieces; rows *= 2) consider(rows, pieces / rows, 1);
    consider(1, 1, pieces);
  }
  return {piece(m, best_rows, 4), piece(n, best_columns, 16), piece(k, best_depth, 16)};
}

namespace {

// A product that is not worth cutting is over in some 20 µs whatever is done, so it is done well: f32 operands are
// multiplied and added in f64, and the result is rounded once. Its error is then that of one rounding, where a sum of k
// f32 terms has some sqrt(k) of them. Larger products, those of real models, have the BLAS's f32 arithmetic.
constexpr int64_t kExactLimit = 1 << 20;  // multiply-adds

bool worth_exactness(int64_t m, int64_t n, int64_t k) { return k > 1 && m * n <= kExactLimit / k; }
bool worth_exactness(const Gemm<float>& g) { return worth_exactness(g.m, g.n, g.k); }
bool worth_exactness(const Gemm<double>&) { return false; }

// op(x) [rows, columns], in f64.
void widen(const float* x, int64_t ld, bool transpose, int64_t rows, int64_t columns, double* out) {
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j)
      out[i * columns + j] = static_cast<double>(transpose ? x[j * ld + i] : x[i * ld + j]);
}

void exact_product(const Gemm<float>& g) {
  Tensor memory = Tensor::empty({g.m * g.k + g.k * g.n + g.m * g.n}, DType::f64);
  double* a = memory.mutable_data<double>();
  double *b = a + g.m * g.k, *c = b + g.k * g.n;
  widen(g.a, g.lda, g.transpose_a, g.m, g.k, a);
  widen(g.b, g.ldb, g.transpose_b, g.k, g.n, b);
  if (g.beta != 0) widen(g.c, g.ldc, false, g.m, g.n, c);
  whole<double>({.m = g.m, .n = g.n, .k = g.k, .a = a, .lda = g.k, .b = b, .ldb = g.n, .c = c, .ldc = g.n,
                 .alpha = static_cast<double>(g.alpha), .beta = static_cast<double>(g.beta)});
  for (int64_t i = 0; i < g.m; ++i)
    for (int64_t j = 0; j < g.n; ++j) g.c[i * g.ldc + j] = static_cast<float>(c[i * g.n + j]);
}
void exact_product(const Gemm<double>&) {}

// Precision `high`: the product of split operands, scaled and stored tile by tile.
void split_product(const Gemm<float>& g, detail::TileFunction epilogue, void* context) {
  const Product product{.m = g.m, .n = g.n, .k = g.k,
                        .left = {.data = g.a, .dtype = DType::f32, .ld = g.lda, .transpose = g.transpose_a},
                        .right = {.data = g.b, .dtype = DType::f32, .ld = g.ldb, .transpose = g.transpose_b},
                        .form = PackedForm::split};
  multiply(product, [&](const ProductTile& tile) {
    for (int64_t i = tile.row_begin; i < tile.row_end; ++i) {
      const float* sums = tile.values + (i - tile.row_begin) * tile.ld;
      float* out = g.c + i * g.ldc + tile.column_begin;
      const int64_t columns = tile.column_end - tile.column_begin;
      if (g.beta == 0)
        for (int64_t j = 0; j < columns; ++j) out[j] = g.alpha * sums[j];
      else
        for (int64_t j = 0; j < columns; ++j) out[j] = g.alpha * sums[j] + g.beta * out[j];
    }
    if (epilogue) epilogue(context, tile);
  });
}
void split_product(const Gemm<double>&, detail::TileFunction, void*) {}

// True if the transposed right operand is so small and its rows are used so often that it is worth a transposed copy,
// with which the kernels without packing can be used.
template <class T>
bool worth_transposing(const Gemm<T>& g) {
  return has_unpacked_kernels<T>() && g.transpose_b && !g.transpose_a && g.m >= 512 && g.k >= 16 && g.n >= 16 &&
         g.n * g.k * 32 <= kUnpackedLimit;
}

// b [n, k] → [k, n]. Rows whose distance is a multiple of 512 bytes would compete for the same few cache lines.
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

}  // namespace

bool is_split_product(int64_t m, int64_t n, int64_t k) {
  return k > 0 && splits_f32_products() && !worth_exactness(m, n, k);
}

template <class T>
void detail::gemm(const Gemm<T>& g, TileFunction epilogue, void* context) {
  check_sizes(g);
  if (g.m == 0 || g.n == 0) return;
  if (worth_exactness(g)) {
    exact_product(g);
    if (epilogue) epilogue(context, {0, g.m, 0, g.n});
    return;
  }
  if (std::is_same_v<T, float> && is_split_product(g.m, g.n, g.k)) {
    split_product(g, epilogue, context);
    return;
  }
  if (worth_transposing(g)) {
    const Tensor right = transposed_right(g);
    Gemm<T> direct = g;
    direct.b = right.data<T>();
    direct.ldb = right.size(1);
    direct.transpose_b = false;
    gemm(direct, epilogue, context);
    return;
  }
  const GemmPlan plan = plan_gemm(g.m, g.n, g.k);
  if (plan.depth < g.k) {
    cut_in_depth(g, plan.depth, epilogue, context);
    return;
  }
  const int64_t columns = divide_up(g.n, plan.columns);
  parallel_chunks(divide_up(g.m, plan.rows) * columns, [&](int64_t chunk) {
    const int64_t row = chunk / columns * plan.rows, column = chunk % columns * plan.columns;
    const GemmTile tile{row, std::min(g.m, row + plan.rows), column, std::min(g.n, column + plan.columns)};
    serial(part(g, tile, 0, g.k));
    if (epilogue) epilogue(context, tile);
  });
}

template void detail::gemm<float>(const Gemm<float>&, TileFunction, void*);
template void detail::gemm<double>(const Gemm<double>&, TileFunction, void*);

// Many small items are spread over the threads, each whole; a few large ones are each cut.
template <class T>
void gemm_batched(const Gemm<T>& g, int64_t count, const int64_t* offset_a, const int64_t* offset_b) {
  check_sizes(g);
  const auto item = [&](int64_t i) {
    Gemm<T> one = g;
    one.a += offset_a[i];
    one.b += offset_b[i];
    one.c += i * g.m * g.ldc;
    return one;
  };
  const double flops = 2.0 * static_cast<double>(g.m) * static_cast<double>(g.n) * static_cast<double>(g.k);
  if (count < 8 && flops >= 8e6) {
    for (int64_t i = 0; i < count; ++i) gemm(item(i));
    return;
  }
  const double flops_and_bytes = flops + 64.0 * static_cast<double>(g.m) * static_cast<double>(g.n) + 64.0;
  parallel_for(count, std::max<int64_t>(1, static_cast<int64_t>(1e6 / flops_and_bytes)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t i = begin; i < end; ++i) {
                   if (worth_exactness(g))
                     exact_product(item(i));
                   else if (std::is_same_v<T, float> && is_split_product(g.m, g.n, g.k))
                     split_product(item(i), nullptr, nullptr);
                   else
                     serial(item(i));
                 }
               });
}

template void gemm_batched<float>(const Gemm<float>&, int64_t, const int64_t*, const int64_t*);
template void gemm_batched<double>(const Gemm<double>&, int64_t, const int64_t*, const int64_t*);

}  // namespace tessera
