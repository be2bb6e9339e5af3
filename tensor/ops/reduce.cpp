#include "tensor/ops/reduce.h"

#include "tensor/ops/accumulate.h"
#include "tensor/ops/elementwise.h"
#include "tensor/parallel.h"

namespace tessera::ops {
namespace {

// A tensor seen as [outer, middle, inner], to reduce over the middle.
struct Reduction {
  int dimension;
  int64_t outer = 1, middle = 1, inner = 1;
  Shape kept;     // with the dimension as size 1
  Shape dropped;  // without it

  Reduction(const char* op, const Shape& shape, int wanted) : dimension(wanted < 0 ? wanted + shape.dim() : wanted) {
    check(dimension >= 0 && dimension < shape.dim(), op, ": no dimension ", wanted, " in shape ", shape);
    for (int d = 0; d < dimension; ++d) outer *= shape[d];
    middle = shape[dimension];
    for (int d = dimension + 1; d < shape.dim(); ++d) inner *= shape[d];
    kept = dropped = shape;
    kept[dimension] = 1;
    dropped.erase(dimension);
  }

  const Shape& result(bool keep) const { return keep ? kept : dropped; }
};

template <class T>
void max_middle(const T* x, T* value, int64_t* index, const Reduction& r) {
  parallel_for(r.outer, grain_for(r.middle * r.inner), [=, &r](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; ++o) {
      const T* block = x + o * r.middle * r.inner;
      T* best = value + o * r.inner;
      int64_t* where = index + o * r.inner;
      for (int64_t i = 0; i < r.inner; ++i) {
        best[i] = block[i];
        where[i] = 0;
      }
      for (int64_t m = 1; m < r.middle; ++m) {
        const T* row = block + m * r.inner;
        for (int64_t i = 0; i < r.inner; ++i) {
          const bool larger = row[i] > best[i] || (row[i] != row[i] && best[i] == best[i]);
          best[i] = larger ? row[i] : best[i];
          where[i] = larger ? m : where[i];
        }
      }
    }
  });
}

}  // namespace

Tensor sum(const Tensor& x) { return sum_to(x, {}); }

Tensor mean(const Tensor& x) {
  check(x.numel() > 0, "mean: shape ", x.shape(), " has no elements");
  return mul(sum(x), 1.0 / static_cast<double>(x.numel()));
}

Tensor sum(const Tensor& x, int dimension, bool keep) {
  const Reduction r("sum", x.shape(), dimension);
  return sum_to(x, r.kept).view(r.result(keep));
}

Tensor mean(const Tensor& x, int dimension, bool keep) {
  const Reduction r("mean", x.shape(), dimension);
  check(r.middle > 0 || r.dropped.numel() == 0, "mean: dimension ", r.dimension, " of ", x.shape(), " has no elements");
  return mul(sum_to(x, r.kept).view(r.result(keep)), r.middle > 0 ? 1.0 / static_cast<double>(r.middle) : 0.0);
}

Maximum max(const Tensor& x, int dimension, bool keep) {
  const Reduction r("max", x.shape(), dimension);
  check(r.middle > 0 || r.dropped.numel() == 0, "max: dimension ", r.dimension, " of ", x.shape(), " has no elements");
  Maximum maximum{Tensor::empty(r.result(keep), x.dtype()), Tensor::empty(r.result(keep), DType::i64)};
  if (maximum.value.numel() == 0) return maximum;
  const Tensor source = x.contiguous();
  dispatch_floating("max", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    max_middle(source.data<T>(), maximum.value.mutable_data<T>(), maximum.index.mutable_data<int64_t>(), r);
  });
  return maximum;
}

Tensor max(const Tensor& x) { return max(x.reshape({x.numel()}), 0).value; }
Tensor argmax(const Tensor& x, int dimension, bool keep) { return max(x, dimension, keep).index; }
Tensor argmax(const Tensor& x) { return max(x.reshape({x.numel()}), 0).index; }

Tensor max_backward(const Tensor& dy, const Tensor& index, const Shape& shape, int dimension) {
  const Reduction r("max_backward", shape, dimension);
  check(dy.numel() == r.kept.numel() && index.numel() == dy.numel(), "max_backward: dy is ", dy.shape(), ", index ",
        index.shape(), ", expected ", r.dropped);
  const Tensor gradient = dy.contiguous(), positions = index.contiguous();
  Tensor dx = Tensor::zeros(shape, dy.dtype());
  dispatch_floating("max_backward", dy.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const T* d = gradient.data<T>();
    const int64_t* where = positions.data<int64_t>();
    T* to = dx.mutable_data<T>();
    for (int64_t o = 0; o < r.outer; ++o)
      for (int64_t i = 0; i < r.inner; ++i)
        to[(o * r.middle + where[o * r.inner + i]) * r.inner + i] = d[o * r.inner + i];
  });
  return dx;
}

}  // namespace tessera::ops
