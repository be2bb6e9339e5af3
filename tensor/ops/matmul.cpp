#include "tensor/ops/matmul.h"

#include <vector>

#include "tensor/cuda/has_cuda.h"
#include "tensor/gemm/gemm.h"
#include "tensor/ops/accumulate.h"
#include "tensor/ops/linear_device.h"
#include "tensor/ops/matrix_operand.h"

namespace tessera::ops {
namespace {

Shape leading(const Shape& shape) {
  Shape result = shape;
  result.erase(result.dim() - 1);
  result.erase(result.dim() - 1);
  return result;
}

// The offset of each matrix of `x` (in elements, relative to its first) when its leading dimensions are broadcast to
// `batch`, in row-major order.
std::vector<int64_t> batch_offsets(const Tensor& x, const Shape& batch) {
  const int64_t count = batch.numel();
  const int missing = batch.dim() - (x.dim() - 2);
  std::vector<int64_t> offsets(static_cast<size_t>(count));
  Shape index = batch;
  for (int64_t& i : index) i = 0;
  int64_t offset = 0;
  const auto stride = [&](int d) { return d < missing || x.size(d - missing) == 1 ? 0 : x.stride(d - missing); };
  for (int64_t& entry : offsets) {
    entry = offset;
    for (int d = batch.dim() - 1; d >= 0; --d) {
      offset += stride(d);
      if (++index[d] < batch[d]) break;
      offset -= stride(d) * batch[d];
      index[d] = 0;
    }
  }
  return offsets;
}

// a of many matrices against the one matrix b is a single product over all rows of a.
bool folds(const Tensor& a, const Tensor& b) { return a.dim() > 2 && b.dim() == 2 && a.is_contiguous(); }
Tensor folded(const Tensor& a) { return a.view({row_count(a), a.size(-1)}); }

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b) {
  check(a.defined() && b.defined() && a.dim() >= 2 && b.dim() >= 2, "matmul: operands are ", describe(a), " and ",
        describe(b), ", expected at least 2 dimensions each");
  check(a.dtype() == b.dtype(), "matmul: dtypes differ: ", describe(a), " and ", describe(b));
  check(a.size(-1) == b.size(-2), "matmul: ", describe(a), " and ", describe(b), " do not fit: ", a.size(-1),
        " columns against ", b.size(-2), " rows");
  const int64_t m = a.size(-2), n = b.size(-1), k = a.size(-1);
  const Shape batch = broadcast_shapes("matmul", leading(a.shape()), leading(b.shape()));
  Shape shape = batch;
  shape.push_back(m);
  shape.push_back(n);
  if (folds(a, b)) return matmul(folded(a), b).view(shape);

  Tensor y = Tensor::empty(shape, a.dtype(), a.device());
  const MatrixOperand left = matrix_operand(a), right = matrix_operand(b);
  const std::vector<int64_t> offset_a = batch_offsets(left.tensor, batch);
  const std::vector<int64_t> offset_b = batch_offsets(right.tensor, batch);
  if constexpr (kHasCuda)
    if (a.on_cuda()) {
      cuda::batched_product("matmul", left.tensor, offset_a, right.tensor, offset_b, y);
      return y;
    }
  dispatch_floating("matmul", a.dtype(), [&](auto tag) {
    using T = decltype(tag);
    gemm_batched<T>({.m = m,
                     .n = n,
                     .k = k,
                     .a = left.tensor.data<T>(),
                     .lda = left.ld,
                     .transpose_a = left.transpose,
                     .b = right.tensor.data<T>(),
                     .ldb = right.ld,
                     .transpose_b = right.transpose,
                     .c = y.mutable_data<T>(),
                     .ldc = std::max<int64_t>(1, n)},
                    batch.numel(), offset_a.data(), offset_b.data());
  });
  return y;
}

Tensor matmul_gradient_a(const Tensor& dy, const Tensor& a, const Tensor& b) {
  return sum_to(matmul(dy, b.transpose(-1, -2)), a.shape());
}

Tensor matmul_gradient_b(const Tensor& dy, const Tensor& a, const Tensor& b) {
  if (folds(a, b) && dy.is_contiguous()) return matmul(folded(a).transpose(0, 1), folded(dy));
  return sum_to(matmul(a.transpose(-1, -2), dy), b.shape());
}

}  // namespace tessera::ops
