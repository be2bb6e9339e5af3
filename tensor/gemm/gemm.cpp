#include "tensor/gemm/gemm.h"

#include <algorithm>

#include "tensor/gemm/blas.h"
#include "tensor/gemm/exact_sums.h"
#include "tensor/gemm/packed/product.h"
#include "tensor/gemm/plan.h"
#include "tensor/gemm/precision.h"
#include "tensor/parallel.h"
#include "tensor/tensor.h"

namespace tessera {
namespace {

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
    Gemm<T> piece = detail::part(g, {0, g.m, 0, g.n}, d * depth, std::min(g.k, (d + 1) * depth));
    piece.c = memory + d * g.m * g.n;
    piece.ldc = g.n;
    piece.beta = 0;
    detail::blas_product(piece);
  });
  parallel_for(g.m, grain_for(pieces * g.n), [&](int64_t begin, int64_t end) {
    const GemmTile rows{begin, end, 0, g.n};
    add_partial_products(g, memory, pieces, rows);
    if (epilogue) epilogue(context, rows);
  });
}

// Precision `high`: the product of split operands, scaled and stored tile by tile.
void split_product(const Gemm<float>& g, detail::TileFunction epilogue, void* context) {
  const Product product{.m = g.m,
                        .n = g.n,
                        .k = g.k,
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

// Only f32 is formed exactly or from split operands.
bool is_exact(const Gemm<float>& g) { return detail::worth_exactness(g.m, g.n, g.k); }
bool is_exact(const Gemm<double>&) { return false; }
void exact_product(const Gemm<float>& g) { detail::exact_product(g); }
void exact_product(const Gemm<double>&) {}
bool is_split(const Gemm<float>& g) { return is_split_product(g.m, g.n, g.k); }
bool is_split(const Gemm<double>&) { return false; }

}  // namespace

bool is_split_product(int64_t m, int64_t n, int64_t k) {
  return k > 0 && splits_f32_products() && !detail::worth_exactness(m, n, k);
}

template <class T>
void detail::gemm(const Gemm<T>& g, TileFunction epilogue, void* context) {
  check_sizes(g);
  if (g.m == 0 || g.n == 0) return;
  if (is_exact(g)) {
    tessera::exact_product(g);
    if (epilogue) epilogue(context, {0, g.m, 0, g.n});
    return;
  }
  if (is_split(g)) {
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
    blas_product(part(g, tile, 0, g.k));
    if (epilogue) epilogue(context, tile);
  });
}

template void detail::gemm<float>(const Gemm<float>&, TileFunction, void*);
template void detail::gemm<double>(const Gemm<double>&, TileFunction, void*);

// Many small items are spread over the threads, each whole; a few large ones are each cut.
template <class T>
void gemm_batched(const Gemm<T>& g, int64_t count, const int64_t* offset_a, const int64_t* offset_b) {
  detail::check_sizes(g);
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
                   if (is_exact(g))
                     exact_product(item(i));
                   else if (is_split(g))
                     split_product(item(i), nullptr, nullptr);
                   else
                     detail::blas_product(item(i));
                 }
               });
}

template void gemm_batched<float>(const Gemm<float>&, int64_t, const int64_t*, const int64_t*);
template void gemm_batched<double>(const Gemm<double>&, int64_t, const int64_t*, const int64_t*);

}  // namespace tessera
