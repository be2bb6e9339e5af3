#include "tensor/ops/linear.h"

#include "tensor/gemm.h"
#include "tensor/ops/matrix_operand.h"
#include "tensor/ops/row_kernels.h"
#include "tensor/ops/vector_math.h"

namespace tessera::ops {
namespace {

void check_linear(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  check(x.defined() && weight.defined(), op, ": x or weight is undefined");
  check(x.dim() >= 1, op, ": x is ", describe(x), ", expected [..., in]");
  check(weight.dim() == 2 && weight.size(1) == x.size(-1) && weight.dtype() == x.dtype(), op, ": weight is ",
        describe(weight), ", expected ", x.dtype(), " [out, ", x.size(-1), "] for x ", describe(x));
  check(!bias.defined() || (bias.shape() == Shape{weight.size(0)} && bias.dtype() == x.dtype()), op, ": bias is ",
        describe(bias), ", expected ", x.dtype(), " [", weight.size(0), "]");
}

Shape with_last(Shape shape, int64_t last) {
  shape[shape.dim() - 1] = last;
  return shape;
}

// y = x Wᵀ, then row(begin of y's row part, first column, number of columns, row) on every finished row.
template <class T, class Row>
void product(const Tensor& x, const Tensor& weight, T* y, Row&& row) {
  const MatrixOperand a = rows_operand(x), b = matrix_operand(weight);
  const int64_t out = weight.size(0);
  gemm<T>({.m = row_count(x), .n = out, .k = x.size(-1), .a = a.tensor.data<T>(), .lda = a.ld,
           .b = b.tensor.data<T>(), .ldb = b.ld, .transpose_b = !b.transpose, .c = y, .ldc = std::max<int64_t>(1, out)},
          [&](const GemmTile& tile) {
            for (int64_t i = tile.row_begin; i < tile.row_end; ++i)
              row(i * out + tile.column_begin, tile.column_begin, tile.column_end - tile.column_begin);
          });
}

}  // namespace

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  check_linear("linear", x, weight, bias);
  Tensor y = Tensor::empty(with_last(x.shape(), weight.size(0)), x.dtype());
  const Tensor b = bias.defined() ? bias.contiguous() : bias;
  dispatch_floating("linear", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    T* out = y.mutable_data<T>();
    const T* offset = b.defined() ? b.data<T>() : nullptr;
    product<T>(x, weight, out, [=](int64_t at, int64_t column, int64_t count) {
      if (!offset) return;
      for (int64_t j = 0; j < count; ++j) out[at + j] += offset[column + j];
    });
  });
  return y;
}

LinearGelu linear_gelu(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  check_linear("linear_gelu", x, weight, bias);
  const Shape shape = with_last(x.shape(), weight.size(0));
  LinearGelu result{Tensor::empty(shape, x.dtype()), Tensor::empty(shape, x.dtype())};
  const Tensor b = bias.defined() ? bias.contiguous() : Tensor::zeros({weight.size(0)}, x.dtype());
  dispatch_floating("linear_gelu", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    T* before = result.before.mutable_data<T>();
    T* y = result.y.mutable_data<T>();
    const T* offset = b.data<T>();
    product<T>(x, weight, before, [=](int64_t at, int64_t column, int64_t count) {
      const T* __restrict bias_row = offset + column;
      T* __restrict a = before + at;
      T* __restrict out = y + at;
      for (int64_t j = 0; j < count; ++j) {
        const T value = a[j] + bias_row[j];
        a[j] = value;
        out[j] = vmath::gelu(value);
      }
    });
  });
  return result;
}

Tensor linear_data_gradient(const Tensor& dy, const Tensor& weight) {
  Tensor dx = Tensor::empty(with_last(dy.shape(), weight.size(1)), dy.dtype());
  const MatrixOperand a = rows_operand(dy), b = matrix_operand(weight);
  dispatch_floating("linear", dy.dtype(), [&](auto tag) {
    using T = decltype(tag);
    gemm<T>({.m = row_count(dy), .n = weight.size(1), .k = weight.size(0), .a = a.tensor.data<T>(), .lda = a.ld,
             .b = b.tensor.data<T>(), .ldb = b.ld, .transpose_b = b.transpose, .c = dx.mutable_data<T>(),
             .ldc = std::max<int64_t>(1, weight.size(1))});
  });
  return dx;
}

void linear_weight_gradient_(Tensor& dw, const Tensor& dy, const Tensor& x, bool accumulate) {
  const int64_t out = dy.size(-1), in = x.size(-1);
  check(dw.shape() == Shape{out, in} && dw.dtype() == dy.dtype() && dw.is_contiguous(), "linear: weight gradient is ",
        describe(dw), ", expected contiguous ", dy.dtype(), " [", out, ", ", in, "]");
  const MatrixOperand a = rows_operand(dy), b = rows_operand(x);
  dispatch_floating("linear", dy.dtype(), [&](auto tag) {
    using T = decltype(tag);
    gemm<T>({.m = out, .n = in, .k = row_count(x), .a = a.tensor.data<T>(), .lda = a.ld, .transpose_a = true,
             .b = b.tensor.data<T>(), .ldb = b.ld, .c = dw.mutable_data<T>(), .ldc = std::max<int64_t>(1, in),
             .beta = accumulate ? T{1} : T{0}});
  });
}

void column_sums_(Tensor& sums, const Tensor& x, bool accumulate) {
  const int64_t rows = row_count(x), columns = x.size(-1);
  check(sums.shape() == Shape{columns} && sums.dtype() == x.dtype() && sums.is_contiguous(), "column_sums: sums are ",
        describe(sums), ", expected contiguous ", x.dtype(), " [", columns, "]");
  const MatrixOperand a = rows_operand(x);
  dispatch_floating("column_sums", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const T* from = a.tensor.data<T>();
    RowSums<T> total(rows, columns, columns);
    total.run([&](int64_t begin, int64_t end, T* __restrict partial) {
      int64_t i = begin;
      for (; i + 4 <= end; i += 4) {
        const T *r0 = from + i * a.ld, *r1 = r0 + a.ld, *r2 = r1 + a.ld, *r3 = r2 + a.ld;
        for (int64_t j = 0; j < columns; ++j) partial[j] += (r0[j] + r1[j]) + (r2[j] + r3[j]);
      }
      for (; i < end; ++i)
        for (int64_t j = 0; j < columns; ++j) partial[j] += from[i * a.ld + j];
    });
    total.write(sums.mutable_data<T>(), 0, columns, accumulate);
  });
}

Tensor gelu_gradient(const Tensor& dy, const Tensor& before, Tensor db, bool accumulate) {
  const int64_t rows = row_count(dy), columns = dy.size(-1);
  check(!db.defined() || (db.shape() == Shape{columns} && db.dtype() == dy.dtype() && db.is_contiguous()),
        "linear_gelu: bias gradient is not a contiguous ", dy.dtype(), " [", columns, "]");
  const Tensor dy_rows = dy.contiguous(), before_rows = before.contiguous();
  Tensor da = Tensor::empty(dy.shape(), dy.dtype());
  dispatch_floating("linear_gelu", dy.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const T *from = dy_rows.data<T>(), *at = before_rows.data<T>();
    T* to = da.mutable_data<T>();
    RowSums<T> total(rows, columns, columns);
    total.run([&](int64_t begin, int64_t end, T* __restrict partial) {
      for (int64_t i = begin; i < end; ++i) {
        const T *g = from + i * columns, *a = at + i * columns;
        T* __restrict out = to + i * columns;
        for (int64_t j = 0; j < columns; ++j) {
          const T value = g[j] * vmath::gelu_derivative(a[j]);
          out[j] = value;
          partial[j] += value;
        }
      }
    });
    if (db.defined()) total.write(db.mutable_data<T>(), 0, columns, accumulate);
  });
  return da;
}

}  // namespace tessera::ops
