#include "tensor/ops/linear_device.h"

#include "tensor/cuda/bf16_copies.h"
#include "tensor/cuda/dispatch.h"
#include "tensor/gemm/gemm_kernels.h"
#include "tensor/ops/matrix_operand.h"

namespace tessera::cuda {
namespace {

// The last two dimensions of x, whose dtype is T's; those of its transpose.
template <class T>
GemmOperand operand(const Tensor& x) {
  return {x.device_data<T>(), x.stride(-2), x.stride(-1)};
}
template <class T>
GemmOperand transposed(const Tensor& x) {
  return {x.device_data<T>(), x.stride(-1), x.stride(-2)};
}
// x [..., columns] as a matrix, whose rows lie together.
template <class T>
GemmOperand rows_of(const ops::MatrixOperand& x) {
  return {x.tensor.device_data<T>(), x.ld, 1};
}

template <class T>
Tensor in_type(const Tensor& parameter) {
  if constexpr (std::is_same_v<T, bf16>) return bf16_copy(parameter);
  return parameter;
}

// y = x · op(weight) + bias.
void weight_product(const char* op, const Tensor& x, const Tensor& weight, bool transpose, const Tensor& bias,
                    Tensor& y) {
  const ops::MatrixOperand left = ops::rows_operand(x);
  dispatch_device(op, x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const Tensor right = in_type<T>(weight), offset = bias.defined() ? in_type<T>(bias.contiguous()) : bias;
    gemm({.m = ops::row_count(x),
          .n = y.size(-1),
          .k = x.size(-1),
          .dtype = x.dtype(),
          .a = rows_of<T>(left),
          .b = transpose ? transposed<T>(right) : operand<T>(right),
          .c_dtype = y.dtype(),
          .c = y.mutable_device_data<T>(),
          .bias = data_or_null<T>(offset)});
  });
}

// How many items from `first` on lie at equal distances.
int64_t regular_items(std::span<const int64_t> a, std::span<const int64_t> b, size_t first) {
  size_t end = std::min(first + 2, a.size());
  while (end < a.size() && a[end] - a[end - 1] == a[first + 1] - a[first] &&
         b[end] - b[end - 1] == b[first + 1] - b[first])
    ++end;
  return static_cast<int64_t>(end - first);
}

}  // namespace

void forward_product(const char* op, const Tensor& x, const Tensor& weight, const Tensor& bias, Tensor& y) {
  weight_product(op, x, weight, true, bias, y);
}

void data_gradient_product(const char* op, const Tensor& dy, const Tensor& weight, Tensor& dx) {
  weight_product(op, dy, weight, false, {}, dx);
}

void weight_gradient_product(const char* op, const Tensor& dy, const Tensor& x, Tensor& dw, bool accumulate) {
  const ops::MatrixOperand left = ops::rows_operand(dy), right = ops::rows_operand(x);
  dispatch_device(op, dy.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const GemmOperand a = rows_of<T>(left);
    gemm({.m = dy.size(-1),
          .n = x.size(-1),
          .k = ops::row_count(x),
          .dtype = dy.dtype(),
          .a = {a.data, a.column, a.row},
          .b = rows_of<T>(right),
          .c = dw.mutable_device_data<float>(),
          .accumulate = accumulate});
  });
}

void batched_product(const char* op, const Tensor& a, std::span<const int64_t> offset_a, const Tensor& b,
                     std::span<const int64_t> offset_b, Tensor& y) {
  const int64_t m = a.size(-2), n = b.size(-1);
  dispatch_device(op, y.dtype(), [&](auto tag) {
    using T = decltype(tag);
    T* to = y.mutable_device_data<T>();
    for (size_t i = 0; i < offset_a.size();) {
      const int64_t items = regular_items(offset_a, offset_b, i);
      GemmOperand left = operand<T>(a), right = operand<T>(b);
      left.data = static_cast<const T*>(left.data) + offset_a[i];
      right.data = static_cast<const T*>(right.data) + offset_b[i];
      if (items > 1) {
        left.batch = offset_a[i + 1] - offset_a[i];
        right.batch = offset_b[i + 1] - offset_b[i];
      }
      gemm({.m = m,
            .n = n,
            .k = a.size(-1),
            .dtype = y.dtype(),
            .a = left,
            .b = right,
            .c_dtype = y.dtype(),
            .c = to + static_cast<int64_t>(i) * m * n,
            .batch_c = m * n,
            .batch = items});
      i += static_cast<size_t>(items);
    }
  });
}

}  // namespace tessera::cuda
