#include "tensor/ops/accumulate.h"

#include <algorithm>

#include "tensor/activation.h"
#include "tensor/cuda/has_cuda.h"
#include "tensor/ops/accumulate_kernels.h"
#include "tensor/ops/elementwise_kernels.h"
#include "tensor/parallel.h"
#include "tensor/simd/reductions.h"

namespace tessera::ops {

namespace {

void accumulate_on_device(Tensor& target, const Tensor& source) {
  if constexpr (kHasCuda)
    dispatch_activation("accumulate", target.dtype(), [&](auto tag) {
      using T = decltype(tag);
      T* to = target.mutable_device_data<T>();
      cuda::binary(cuda::Binary::add, to, target.strides(), source.device_data<T>(), source.strides(), to,
                   target.shape());
    });
}

}  // namespace

void accumulate_(Tensor& target, const Tensor& source) {
  check(target.shape() == source.shape() && target.dtype() == source.dtype(), "accumulate: source is ",
        describe(source), ", expected ", describe(target));
  check(target.is_contiguous(), "accumulate: target is not contiguous");
  if (target.on_cuda()) return accumulate_on_device(target, source);
  const Tensor from = source.contiguous();
  dispatch_activation("accumulate", target.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using A = Arithmetic<T>;
    T* to = target.mutable_data<T>();
    const T* values = from.data<T>();
    parallel_for(target.numel(), 16384, [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) to[i] = static_cast<T>(static_cast<A>(to[i]) + static_cast<A>(values[i]));
    });
  });
}

namespace {

// A block that one task adds up: at most kColumns wide, and as high as a running sum stays accurate (single columns are
// added in lanes and may be longer).
constexpr int64_t kColumns = 1024;
int64_t rows_per_chunk(int64_t columns) { return columns == 1 ? 32768 : std::clamp<int64_t>(32768 / columns, 32, 256); }

// Σ over `rows` rows of x, `stride` elements apart → y [columns].
template <class T>
void sum_rows(const T* x, int64_t stride, int64_t rows, int64_t columns, T* y) {
  if (columns == 1 && stride == 1) {
    *y = simd::sum<simd::kLongOrder>(x, rows);
    return;
  }
  std::fill(y, y + columns, T{0});
  int64_t r = 0;
  for (; r + 4 <= rows; r += 4) {  // four rows at a time: y is read and written a quarter as often
    const T* row = x + r * stride;
    for (int64_t i = 0; i < columns; ++i)
      y[i] += (row[i] + row[stride + i]) + (row[2 * stride + i] + row[3 * stride + i]);
  }
  for (; r < rows; ++r)
    for (int64_t i = 0; i < columns; ++i) y[i] += x[r * stride + i];
}

// x [outer, middle, inner] → y [outer, inner]. Chunks of rows go to y directly if there is only one, and else to
// partial sums [outer, chunks, inner], which are then added in the same way.
template <class T>
void sum_middle(const T* x, T* y, int64_t outer, int64_t middle, int64_t inner, DType dtype) {
  const int64_t columns = std::min(inner, kColumns), blocks = (inner + columns - 1) / columns;
  const int64_t height = rows_per_chunk(columns), chunks = std::max<int64_t>(1, (middle + height - 1) / height);
  Tensor partial = chunks > 1 ? Tensor::empty({outer, chunks, inner}, dtype) : Tensor{};
  T* to = chunks > 1 ? partial.mutable_data<T>() : y;
  const int64_t grain = grain_for(std::min(middle, height) * columns);
  parallel_for(outer * chunks * blocks, grain, [=](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t column = task % blocks * columns, chunk = task / blocks % chunks, o = task / blocks / chunks;
      sum_rows(x + (o * middle + chunk * height) * inner + column, inner, std::min(height, middle - chunk * height),
               std::min(columns, inner - column), to + (o * chunks + chunk) * inner + column);
    }
  });
  if (chunks > 1) sum_middle<T>(to, y, outer, chunks, inner, dtype);
}

template <class T>
void sum_middle_on_device(const T* x, T* y, int64_t outer, int64_t middle, int64_t inner, Device device) {
  if constexpr (kHasCuda) {
    const int64_t chunks = cuda::reduction_chunks(middle, inner);
    if (chunks == 1) return cuda::sum_chunks(x, y, outer, middle, inner);
    Tensor partial = Tensor::empty({outer, chunks, inner}, dtype_of<T>::value, device);
    T* to = partial.mutable_device_data<T>();
    cuda::sum_chunks(x, to, outer, middle, inner);
    sum_middle_on_device(to, y, outer, chunks, inner, device);
  }
}

// Sums over dimensions first .. last, which become 1.
Tensor sum_dimensions(const Tensor& x, int first, int last) {
  Shape shape = x.shape();
  int64_t outer = 1, middle = 1, inner = 1;
  for (int d = 0; d < x.dim(); ++d) (d < first ? outer : d <= last ? middle : inner) *= shape[d];
  for (int d = first; d <= last; ++d) shape[d] = 1;
  Tensor sum = Tensor::empty(shape, x.dtype(), x.device());
  if (sum.numel() == 0) return sum;
  dispatch_floating("sum_to", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    if (x.on_cuda())
      return sum_middle_on_device(x.device_data<T>(), sum.mutable_device_data<T>(), outer, middle, inner, x.device());
    sum_middle(x.data<T>(), sum.mutable_data<T>(), outer, middle, inner, x.dtype());
  });
  return sum;
}

}  // namespace

Tensor sum_to(const Tensor& x, const Shape& shape) {
  const int added = x.dim() - shape.dim();
  check(added >= 0, "sum_to: ", x.shape(), " cannot be the broadcast of ", shape);
  const auto target = [&](int d) { return d < added ? 1 : shape[d - added]; };
  for (int d = 0; d < x.dim(); ++d)
    check(target(d) == x.size(d) || target(d) == 1, "sum_to: ", x.shape(), " cannot be the broadcast of ", shape);
  if (x.dtype() == DType::bf16 && !(x.shape() == shape)) return sum_to(x.to(DType::f32), shape).to(DType::bf16);
  Tensor current = x.contiguous();
  for (int d = 0; d < x.dim(); ++d) {
    if (target(d) == x.size(d)) continue;
    int last = d;  // neighbouring dimensions go at once, with those of size 1 between them
    for (int next = d + 1; next < x.dim() && target(next) == 1; ++next) last = next;
    current = sum_dimensions(current, d, last);
    d = last;
  }
  return current.view(shape);
}

}  // namespace tessera::ops
