// Elementwise functions of two tensors, broadcast to one shape, on the GPU: a thread for each 128 bits of the result,
// or for each element where sizes, strides or addresses do not allow that.
#include "tensor/cuda/scalar_math.h"
#include "tensor/cuda/strided.h"
#include "tensor/ops/elementwise_kernels.h"

namespace tessera::cuda {
namespace {

template <class A>
struct Add {
  __device__ A operator()(A a, A b) const { return a + b; }
};
template <class A>
struct Subtract {
  __device__ A operator()(A a, A b) const { return a - b; }
};
template <class A>
struct Multiply {
  __device__ A operator()(A a, A b) const { return a * b; }
};
template <class A>
struct Divide {
  __device__ A operator()(A a, A b) const { return a / b; }
};
template <class A>
struct NegatedProduct {
  __device__ A operator()(A a, A b) const { return -(a * b); }
};

// dy and y or x, as tensor/ops/elementwise.h has it.
template <class A>
struct SqrtBackward {
  __device__ A operator()(A dy, A y) const { return dy / (y + y); }
};
template <class A>
struct SquareBackward {
  __device__ A operator()(A dy, A x) const { return dy * (x + x); }
};
template <class A>
struct TanhBackward {
  __device__ A operator()(A dy, A y) const { return dy * (1 - y * y); }
};
template <class A>
struct SigmoidBackward {
  __device__ A operator()(A dy, A y) const { return dy * (y * (1 - y)); }
};
template <class A>
struct ReluBackward {
  __device__ A operator()(A dy, A y) const { return y > 0 ? dy : A{0}; }
};
template <class A>
struct GeluBackward {
  __device__ A operator()(A dy, A x) const { return dy * exact_gelu_derivative(x); }
};
template <class A>
struct QuickGeluBackward {
  __device__ A operator()(A dy, A x) const { return dy * sigmoid_gelu_derivative(x); }
};

template <int n, class T, class F>
__global__ void __launch_bounds__(kStridedThreads) binary_kernel(Walk<3> walk, const T* a, const T* b, T* y, F f) {
  const unsigned unit = strided_unit();
  if (unit >= walk.units) return;
  int64_t at[3];
  walk.find(unit, at);
  Elements<T, n> u = load_elements<n>(a + at[0], walk.inner[0]);
  const Elements<T, n> v = load_elements<n>(b + at[1], walk.inner[1]);
  for (int i = 0; i < n; ++i) u.value[i] = rounded<T>(f(widened(u.value[i]), widened(v.value[i])));
  store_elements<n>(y + at[2], u);
}

template <class T, class F>
void apply(const Layout<3>& whole, const T* a, const T* b, T* y, F f) {
  whole.for_each_part([&](const Layout<3>& part, const Layout<3>::Offsets& first) {
    const T *u = a + first[0], *v = b + first[1];
    T* to = y + first[2];
    constexpr int kMost = kPack<T>;
    const bool packed = part.in_packs(kMost, 0, u) && part.in_packs(kMost, 1, v) && part.in_packs(kMost, 2, to);
    with_pack_size<T>(packed, [&](auto n) {
      const Walk<3> walk(part, n);
      simt::launch<binary_kernel<decltype(n)::value, T, F>>(walk.blocks(), kStridedThreads, 0, walk, u, v, to, f);
    });
  });
}

}  // namespace

template <class T>
void binary(Binary f, const T* a, const Shape& a_strides, const T* b, const Shape& b_strides, T* y,
            const Shape& shape) {
  if (shape.numel() == 0) return;
  using A = Arithmetic<T>;
  const Layout<3> layout(shape, {a_strides, b_strides, contiguous_strides(shape)});
  switch (f) {
    case Binary::add: return apply(layout, a, b, y, Add<A>{});
    case Binary::subtract: return apply(layout, a, b, y, Subtract<A>{});
    case Binary::multiply: return apply(layout, a, b, y, Multiply<A>{});
    case Binary::divide: return apply(layout, a, b, y, Divide<A>{});
    case Binary::negated_product: return apply(layout, a, b, y, NegatedProduct<A>{});
    case Binary::sqrt_backward: return apply(layout, a, b, y, SqrtBackward<A>{});
    case Binary::square_backward: return apply(layout, a, b, y, SquareBackward<A>{});
    case Binary::tanh_backward: return apply(layout, a, b, y, TanhBackward<A>{});
    case Binary::sigmoid_backward: return apply(layout, a, b, y, SigmoidBackward<A>{});
    case Binary::relu_backward: return apply(layout, a, b, y, ReluBackward<A>{});
    case Binary::gelu_backward: return apply(layout, a, b, y, GeluBackward<A>{});
    case Binary::quick_gelu_backward: return apply(layout, a, b, y, QuickGeluBackward<A>{});
  }
}

template void binary(Binary, const float*, const Shape&, const float*, const Shape&, float*, const Shape&);
template void binary(Binary, const bf16*, const Shape&, const bf16*, const Shape&, bf16*, const Shape&);
template void binary(Binary, const double*, const Shape&, const double*, const Shape&, double*, const Shape&);

}  // namespace tessera::cuda
