#include "tensor/ops/linear.h"

#include <type_traits>

#include "tensor/cuda/dispatch.h"
#include "tensor/ops/elementwise_kernels.h"
#include "tensor/ops/linear_device.h"
#include "tensor/ops/linear_kernels.h"
#include "tensor/ops/linear_products.h"
#include "tensor/ops/row_sums.h"
#include "tensor/simd/vector_math.h"

namespace tessera::ops {
namespace {

// The f32 elements of workspace that the sums over rows of [rows, columns] need.
Tensor workspace_for_sums(int64_t rows, int64_t columns, Device device) {
  if constexpr (kHasCuda) return Tensor::empty({cuda::column_workspace(rows, columns)}, DType::f32, device);
  return {};
}

// Calls f(W{}) with the type in which columns of T are summed: f64 of few columns of f32, the outputs of a head, whose
// gradients often cancel; their sums are rounded once.
template <class T, class F>
void dispatch_sums(int64_t columns, F&& f) {
  constexpr int64_t kFewColumns = 16;
  if constexpr (std::is_same_v<T, float>)
    if (columns <= kFewColumns) return f(double{});
  f(Arithmetic<T>{});
}

}  // namespace

void check_linear(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias) {
  check(x.defined() && weight.defined(), op, ": x or weight is undefined");
  check(x.dim() >= 1, op, ": x is ", describe(x), ", expected [..., in]");
  const DType dtype = arithmetic_dtype(x.dtype());
  check(weight.dim() == 2 && weight.size(1) == x.size(-1) && weight.dtype() == dtype, op, ": weight is ",
        describe(weight), ", expected ", dtype, " [out, ", x.size(-1), "] for x ", describe(x));
  check(!bias.defined() || (bias.shape() == Shape{weight.size(0)} && bias.dtype() == dtype), op, ": bias is ",
        describe(bias), ", expected ", dtype, " [", weight.size(0), "]");
}

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  check_linear("linear", x, weight, bias);
  Tensor y = Tensor::empty(with_last(x.shape(), weight.size(0)), x.dtype(), x.device());
  if constexpr (kHasCuda)
    if (x.on_cuda()) {
      cuda::forward_product("linear", x, weight, bias, y);
      return y;
    }
  const Tensor b = bias.defined() ? bias.contiguous() : bias;
  dispatch_activation("linear", x.dtype(), [&](auto tag) {
    using A = Arithmetic<decltype(tag)>;
    const A* offset = b.defined() ? b.data<A>() : nullptr;
    forward_product<decltype(tag)>(x, weight, y, [=](const LinearTile<A>& tile) {
      if (!offset) return;
      for (int64_t i = tile.row_begin; i < tile.row_end; ++i) {
        A* row = tile.row(i);
        for (int64_t j = 0; j < tile.columns(); ++j) row[j] += offset[tile.column_begin + j];
      }
    });
  });
  return y;
}

LinearGelu linear_gelu(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  check_linear("linear_gelu", x, weight, bias);
  const int64_t out = weight.size(0);
  const Shape shape = with_last(x.shape(), out);
  LinearGelu result{Tensor::empty(shape, x.dtype(), x.device()), Tensor::empty(shape, x.dtype(), x.device())};
  if constexpr (kHasCuda)
    if (x.on_cuda()) {
      cuda::forward_product("linear_gelu", x, weight, bias, result.before);
      cuda::dispatch_device("linear_gelu", x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        cuda::activation_dropout(Activation::gelu, result.before.device_data<T>(), result.y.mutable_device_data<T>(),
                                 result.y.numel(), 0, {});
      });
      return result;
    }
  const Tensor b = bias.defined() ? bias.contiguous() : Tensor::zeros({out}, weight.dtype());
  dispatch_activation("linear_gelu", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using A = Arithmetic<T>;
    T* before = result.before.mutable_data<T>();
    const A* offset = b.data<A>();
    forward_product<T>(x, weight, result.y, [=](const LinearTile<A>& tile) {
      const A* __restrict bias_row = offset + tile.column_begin;
      for (int64_t i = tile.row_begin; i < tile.row_end; ++i) {
        A* __restrict value = tile.row(i);
        T* __restrict a = before + i * out + tile.column_begin;
        for (int64_t j = 0; j < tile.columns(); ++j) {
          a[j] = T(value[j] + bias_row[j]);
          value[j] = vmath::gelu(A(a[j]));
        }
      }
    });
  });
  return result;
}

Tensor linear_data_gradient(const Tensor& dy, const Tensor& weight) {
  Tensor dx = Tensor::empty(with_last(dy.shape(), weight.size(1)), dy.dtype(), dy.device());
  if constexpr (kHasCuda)
    if (dy.on_cuda()) {
      cuda::data_gradient_product("linear", dy, weight, dx);
      return dx;
    }
  dispatch_activation("linear", dy.dtype(), [&](auto tag) { data_gradient_product<decltype(tag)>(dy, weight, dx); });
  return dx;
}

void linear_weight_gradient_(Tensor& dw, const Tensor& dy, const Tensor& x, bool accumulate) {
  const Shape shape{dy.size(-1), x.size(-1)};
  const DType dtype = arithmetic_dtype(dy.dtype());
  check(dw.shape() == shape && dw.dtype() == dtype && dw.is_contiguous(), "linear: weight gradient is ", describe(dw),
        ", expected contiguous ", dtype, ' ', shape);
  if constexpr (kHasCuda)
    if (dy.on_cuda()) return cuda::weight_gradient_product("linear", dy, x, dw, accumulate);
  dispatch_activation("linear", dy.dtype(),
                      [&](auto tag) { weight_gradient_product<decltype(tag)>(dy, x, dw, accumulate); });
}

void column_sums_(Tensor& sums, const Tensor& x, bool accumulate) {
  const int64_t rows = row_count(x), columns = x.size(-1);
  check(sums.shape() == Shape{columns} && sums.dtype() == arithmetic_dtype(x.dtype()) && sums.is_contiguous(),
        "column_sums: sums are ", describe(sums), ", expected contiguous ", arithmetic_dtype(x.dtype()), " [", columns,
        "]");
  const MatrixOperand a = rows_operand(x);
  if constexpr (kHasCuda)
    if (x.on_cuda())
      return cuda::dispatch_device("column_sums", x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        Tensor workspace = workspace_for_sums(rows, columns, x.device());
        cuda::column_sums(a.tensor.device_data<T>(), a.ld, sums.mutable_device_data<float>(), accumulate,
                          workspace.mutable_device_data<float>(), rows, columns);
      });
  dispatch_activation("column_sums", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using A = Arithmetic<T>;
    const T* from = a.tensor.data<T>();
    dispatch_sums<T>(columns, [&](auto work) {
      using W = decltype(work);
      RowSums<W> total(rows, columns, columns);
      total.run([&](int64_t begin, int64_t end, W* __restrict partial) {
        int64_t i = begin;
        for (; i + 4 <= end; i += 4) {
          const T *r0 = from + i * a.ld, *r1 = r0 + a.ld, *r2 = r1 + a.ld, *r3 = r2 + a.ld;
          for (int64_t j = 0; j < columns; ++j) partial[j] += (W(r0[j]) + W(r1[j])) + (W(r2[j]) + W(r3[j]));
        }
        for (; i < end; ++i)
          for (int64_t j = 0; j < columns; ++j) partial[j] += W(from[i * a.ld + j]);
      });
      total.write(sums.mutable_data<A>(), 0, columns, accumulate);
    });
  });
}

Tensor gelu_gradient(const Tensor& dy, const Tensor& before, Tensor db, bool accumulate) {
  const int64_t rows = row_count(dy), columns = dy.size(-1);
  const DType dtype = arithmetic_dtype(dy.dtype());
  check(!db.defined() || (db.shape() == Shape{columns} && db.dtype() == dtype && db.is_contiguous()),
        "linear_gelu: bias gradient is not a contiguous ", dtype, " [", columns, "]");
  const Tensor dy_rows = dy.contiguous(), before_rows = before.contiguous();
  Tensor da = Tensor::empty(dy.shape(), dy.dtype(), dy.device());
  if constexpr (kHasCuda)
    if (dy.on_cuda()) {
      cuda::dispatch_device("linear_gelu", dy.dtype(), [&](auto tag) {
        using T = decltype(tag);
        Tensor workspace = db.defined() ? workspace_for_sums(rows, columns, dy.device()) : Tensor{};
        cuda::activation_dropout_gradient<T>(Activation::gelu, dy_rows.device_data<T>(), before_rows.device_data<T>(),
                                             da.mutable_device_data<T>(), nullptr,
                                             cuda::mutable_data_or_null<float>(db), accumulate,
                                             cuda::mutable_data_or_null<float>(workspace), rows, columns, 0, {});
      });
      return da;
    }
  dispatch_activation("linear_gelu", dy.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using A = Arithmetic<T>;
    const T *from = dy_rows.data<T>(), *at = before_rows.data<T>();
    T* to = da.mutable_data<T>();
    RowSums<A> total(rows, columns, columns);
    total.run([&](int64_t begin, int64_t end, A* __restrict partial) {
      for (int64_t i = begin; i < end; ++i) {
        const T *g = from + i * columns, *a = at + i * columns;
        T* __restrict out = to + i * columns;
        for (int64_t j = 0; j < columns; ++j) {
          const A value = A(g[j]) * vmath::gelu_derivative(A(a[j]));
          out[j] = T(value);
          partial[j] += value;
        }
      }
    });
    if (db.defined()) total.write(db.mutable_data<A>(), 0, columns, accumulate);
  });
  return da;
}

}  // namespace tessera::ops
