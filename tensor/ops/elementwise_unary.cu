// Elementwise functions of one tensor on the GPU: a thread for each 128 bits of it, or for each element where sizes,
// strides or addresses do not allow that.
#include "tensor/cuda/scalar_math.h"
#include "tensor/cuda/strided.h"
#include "tensor/ops/elementwise_kernels.h"

namespace tessera::cuda {
namespace {

template <class A>
struct AddScalar {
  A scalar;
  __device__ A operator()(A x) const { return x + scalar; }
};
template <class A>
struct MultiplyScalar {
  A scalar;
  __device__ A operator()(A x) const { return x * scalar; }
};
template <class A>
struct Exp {
  __device__ A operator()(A x) const { return exponential(x); }
};
template <class A>
struct Log {
  __device__ A operator()(A x) const { return logarithm(x); }
};
template <class A>
struct Sqrt {
  __device__ A operator()(A x) const { return square_root(x); }
};
template <class A>
struct Square {
  __device__ A operator()(A x) const { return x * x; }
};
template <class A>
struct Tanh {
  __device__ A operator()(A x) const { return hyperbolic_tangent(x); }
};
template <class A>
struct Sigmoid {
  __device__ A operator()(A x) const { return logistic(x); }
};
template <class A>
struct Relu {
  __device__ A operator()(A x) const { return x < 0 ? A{0} : x; }
};
template <class A>
struct Gelu {
  __device__ A operator()(A x) const { return exact_gelu(x); }
};
template <class A>
struct QuickGelu {
  __device__ A operator()(A x) const { return sigmoid_gelu(x); }
};

template <int n, class T, class F>
__global__ void __launch_bounds__(kStridedThreads) unary_kernel(Walk<2> walk, const T* x, T* y, F f) {
  const unsigned unit = strided_unit();
  if (unit >= walk.units) return;
  int64_t at[2];
  walk.find(unit, at);
  Elements<T, n> elements = load_elements<n>(x + at[0], walk.inner[0]);
  for (int i = 0; i < n; ++i) elements.value[i] = rounded<T>(f(widened(elements.value[i])));
  store_elements<n>(y + at[1], elements);
}

template <class T, class F>
void apply(const Layout<2>& whole, const T* x, T* y, F f) {
  whole.for_each_part([&](const Layout<2>& part, const Layout<2>::Offsets& first) {
    const T* from = x + first[0];
    T* to = y + first[1];
    with_pack_size<T>(part.in_packs(kPack<T>, 0, from) && part.in_packs(kPack<T>, 1, to), [&](auto n) {
      const Walk<2> walk(part, n);
      simt::launch<unary_kernel<decltype(n)::value, T, F>>(walk.blocks(), kStridedThreads, 0, walk, from, to, f);
    });
  });
}

}  // namespace

template <class T>
void unary(Unary f, const T* x, const Shape& x_strides, T* y, const Shape& shape, double scalar) {
  if (shape.numel() == 0) return;
  using A = Arithmetic<T>;
  const Layout<2> layout(shape, {x_strides, contiguous_strides(shape)});
  switch (f) {
    case Unary::add_scalar: return apply(layout, x, y, AddScalar<A>{static_cast<A>(scalar)});
    case Unary::multiply_scalar: return apply(layout, x, y, MultiplyScalar<A>{static_cast<A>(scalar)});
    case Unary::exp: return apply(layout, x, y, Exp<A>{});
    case Unary::log: return apply(layout, x, y, Log<A>{});
    case Unary::sqrt: return apply(layout, x, y, Sqrt<A>{});
    case Unary::square: return apply(layout, x, y, Square<A>{});
    case Unary::tanh: return apply(layout, x, y, Tanh<A>{});
    case Unary::sigmoid: return apply(layout, x, y, Sigmoid<A>{});
    case Unary::relu: return apply(layout, x, y, Relu<A>{});
    case Unary::gelu: return apply(layout, x, y, Gelu<A>{});
    case Unary::quick_gelu: return apply(layout, x, y, QuickGelu<A>{});
  }
}

template void unary(Unary, const float*, const Shape&, float*, const Shape&, double);
template void unary(Unary, const bf16*, const Shape&, bf16*, const Shape&, double);
template void unary(Unary, const double*, const Shape&, double*, const Shape&, double);

}  // namespace tessera::cuda
