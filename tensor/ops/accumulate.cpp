#include "tensor/ops/accumulate.h"

#include "tensor/parallel.h"

namespace tessera::ops {

void accumulate_(Tensor& target, const Tensor& source) {
  check(target.shape() == source.shape() && target.dtype() == source.dtype(), "accumulate: source is ",
        describe(source), ", expected ", describe(target));
  check(target.is_contiguous(), "accumulate: target is not contiguous");
  const Tensor from = source.contiguous();
  dispatch_floating("accumulate", target.dtype(), [&](auto tag) {
    using T = decltype(tag);
    T* to = target.mutable_data<T>();
    const T* values = from.data<T>();
    parallel_for(target.numel(), 16384, [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) to[i] += values[i];
    });
  });
}

namespace {

// x [outer, middle, inner] → [outer, inner].
template <class T>
void sum_middle(const T* x, T* y, int64_t outer, int64_t middle, int64_t inner) {
  parallel_for(outer, grain_for(middle * inner), [=](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; ++o) {
      T* out = y + o * inner;
      for (int64_t i = 0; i < inner; ++i) out[i] = T{0};
      for (int64_t m = 0; m < middle; ++m) {
        const T* row = x + (o * middle + m) * inner;
        for (int64_t i = 0; i < inner; ++i) out[i] += row[i];
      }
    }
  });
}

}  // namespace

Tensor sum_to(const Tensor& x, const Shape& shape) {
  Tensor current = x.contiguous();
  const int added = x.dim() - shape.dim();
  check(added >= 0, "sum_to: ", x.shape(), " cannot be the broadcast of ", shape);
  for (int d = 0; d < x.dim(); ++d) {
    const int64_t target = d < added ? 1 : shape[d - added];
    check(target == x.size(d) || target == 1, "sum_to: ", x.shape(), " cannot be the broadcast of ", shape);
    if (target == current.size(d)) continue;
    Shape reduced = current.shape();
    int64_t outer = 1, inner = 1;
    for (int i = 0; i < d; ++i) outer *= reduced[i];
    for (int i = d + 1; i < reduced.dim(); ++i) inner *= reduced[i];
    const int64_t middle = reduced[d];
    reduced[d] = 1;
    Tensor sum = Tensor::empty(reduced, x.dtype());
    dispatch_floating("sum_to", x.dtype(), [&](auto tag) {
      using T = decltype(tag);
      sum_middle(current.data<T>(), sum.mutable_data<T>(), outer, middle, inner);
    });
    current = sum;
  }
  return current.view(shape);
}

}  // namespace tessera::ops
