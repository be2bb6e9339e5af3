#include "tensor/ops/reduce.h"

#include <algorithm>
#include <limits>

#include "tensor/activation.h"
#include "tensor/cuda/has_cuda.h"
#include "tensor/ops/accumulate.h"
#include "tensor/ops/accumulate_kernels.h"
#include "tensor/ops/elementwise.h"
#include "tensor/ops/reduce_kernels.h"
#include "tensor/parallel.h"
#include "tensor/simd/reductions.h"

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

// Σ over the dimensions that are 1 in `shape`, over their number of elements (0 for none); rounded once.
Tensor mean_of(const Tensor& x, const Shape& shape) {
  const int64_t sums = shape.numel();
  const double factor = x.numel() > 0 ? static_cast<double>(sums) / static_cast<double>(x.numel()) : 0.0;
  return mul(sum_to(x.to(arithmetic_dtype(x.dtype())), shape), factor).to(x.dtype());
}

// Whether a takes the place of b, which comes before it: larger, or the first NaN. Numbers or vectors.
template <class V>
auto beats(const V& a, const V& b) {
  return (a > b) | ((a != a) & (b == b));
}

// The first of the largest of x [n], n >= 1: the first of each lane, and then of the lanes.
template <class T, class A = Arithmetic<T>>
int64_t first_largest(const T* x, int64_t n) {
  constexpr int kBytes = simd::kRowOrder.bytes;
  using Values = simd::Vector<A, kBytes>;
  using Index = simd::Mask<A, kBytes>;
  constexpr int64_t kLanes = simd::kLanes<A, kBytes>;
  const auto value = [x](int64_t i) { return static_cast<A>(x[i]); };
  int64_t found = 0, i = 0;
  if (n >= kLanes) {
    Index place{}, places;
    for (int lane = 0; lane < kLanes; ++lane) place[lane] = lane;
    places = place;
    Values best = simd::load<kBytes>(x);
    const int64_t end = std::min<int64_t>(n, std::numeric_limits<int32_t>::max()) - kLanes;
    for (i = kLanes; i <= end; i += kLanes) {
      place += static_cast<int>(kLanes);
      const Values candidate = simd::load<kBytes>(x + i);
      const Index better = beats(candidate, best);
      best = better ? candidate : best;
      places = better ? place : places;
    }
    found = places[0];
    for (int lane = 1; lane < kLanes; ++lane) {
      const int64_t other = places[lane];
      if (beats(value(other), value(found)) || (other < found && !beats(value(found), value(other)))) found = other;
    }
  }
  for (; i < n; ++i)
    if (beats(value(i), value(found))) found = i;
  return found;
}

template <class T>
void max_rows(const T* x, T* value, int64_t* index, const Reduction& r) {
  parallel_for(r.outer, grain_for(r.middle), [=, &r](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; ++o) {
      index[o] = first_largest(x + o * r.middle, r.middle);
      value[o] = x[o * r.middle + index[o]];
    }
  });
}

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
          const bool larger = beats(static_cast<Arithmetic<T>>(row[i]), static_cast<Arithmetic<T>>(best[i]));
          best[i] = larger ? row[i] : best[i];
          where[i] = larger ? m : where[i];
        }
      }
    }
  });
}

// Passes over x and the places that its elements had (undefined in the first pass), until one chunk is left.
void max_on_device(const Tensor& x, const Tensor& places, Maximum& maximum, int64_t outer, int64_t middle,
                   int64_t inner) {
  if constexpr (kHasCuda) {
    const int64_t chunks = cuda::reduction_chunks(middle, inner);
    Maximum partial = maximum;
    if (chunks > 1)
      partial = {Tensor::empty({outer, chunks, inner}, x.dtype(), x.device()),
                 Tensor::empty({outer, chunks, inner}, DType::i64, x.device())};
    dispatch_activation("max", x.dtype(), [&](auto tag) {
      using T = decltype(tag);
      cuda::max_chunks(x.device_data<T>(), places.defined() ? places.device_data<int64_t>() : nullptr,
                       partial.value.mutable_device_data<T>(), partial.index.mutable_device_data<int64_t>(), outer,
                       middle, inner);
    });
    if (chunks > 1) max_on_device(partial.value, partial.index, maximum, outer, chunks, inner);
  }
}

void max_backward_on_device(const Tensor& dy, const Tensor& index, Tensor& dx, const Reduction& r) {
  if constexpr (kHasCuda)
    dispatch_activation("max_backward", dy.dtype(), [&](auto tag) {
      using T = decltype(tag);
      cuda::max_backward(dy.device_data<T>(), index.device_data<int64_t>(), dx.mutable_device_data<T>(), r.outer,
                         r.middle, r.inner);
    });
}

}  // namespace

Tensor sum(const Tensor& x) { return sum_to(x, {}); }

Tensor mean(const Tensor& x) {
  check(x.numel() > 0, "mean: shape ", x.shape(), " has no elements");
  return mean_of(x, {});
}

Tensor sum(const Tensor& x, int dimension, bool keep) {
  const Reduction r("sum", x.shape(), dimension);
  return sum_to(x, r.kept).view(r.result(keep));
}

Tensor mean(const Tensor& x, int dimension, bool keep) {
  const Reduction r("mean", x.shape(), dimension);
  check(r.middle > 0 || r.dropped.numel() == 0, "mean: dimension ", r.dimension, " of ", x.shape(), " has no elements");
  return mean_of(x, r.kept).view(r.result(keep));
}

Maximum max(const Tensor& x, int dimension, bool keep) {
  const Reduction r("max", x.shape(), dimension);
  check(r.middle > 0 || r.dropped.numel() == 0, "max: dimension ", r.dimension, " of ", x.shape(), " has no elements");
  Maximum maximum{Tensor::empty(r.result(keep), x.dtype(), x.device()),
                  Tensor::empty(r.result(keep), DType::i64, x.device())};
  if (maximum.value.numel() == 0) return maximum;
  const Tensor source = x.contiguous();
  if (x.on_cuda()) {
    max_on_device(source, {}, maximum, r.outer, r.middle, r.inner);
    return maximum;
  }
  dispatch_activation("max", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const auto kernel = r.inner == 1 ? max_rows<T> : max_middle<T>;
    kernel(source.data<T>(), maximum.value.mutable_data<T>(), maximum.index.mutable_data<int64_t>(), r);
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
  Tensor dx = Tensor::zeros(shape, dy.dtype(), dy.device());
  if (dy.on_cuda()) {
    max_backward_on_device(gradient, positions, dx, r);
    return dx;
  }
  dispatch_activation("max_backward", dy.dtype(), [&](auto tag) {
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
