#include "tensor/ops/mlp.h"

#include <type_traits>

#include "tensor/cuda/dispatch.h"
#include "tensor/ops/dropout_mask.h"
#include "tensor/ops/elementwise_kernels.h"
#include "tensor/ops/linear.h"
#include "tensor/ops/linear_device.h"
#include "tensor/ops/linear_kernels.h"
#include "tensor/ops/linear_products.h"
#include "tensor/simd/vector_math.h"

namespace tessera::ops {
namespace {

constexpr const char* kMlpOp = "mlp";

// Calls body(i, column, count, words) for pieces of the tile's rows; `words` are the mask's, null if nothing is
// dropped. `width` is the length of a whole row, `column` counts within the tile.
template <class A, class Body>
void for_pieces(const LinearTile<A>& tile, int64_t width, const DropoutMask& mask, Body&& body) {
  DropoutMask::Buffer buffer;
  for (int64_t i = tile.row_begin; i < tile.row_end; ++i)
    for (int64_t column = 0; column < tile.columns(); column += DropoutMask::kSegment) {
      const int64_t count = std::min(DropoutMask::kSegment, tile.columns() - column);
      const int64_t first = i * width + tile.column_begin + column;
      body(i, column, count, mask.drops() ? mask.words(first, count, buffer) : nullptr);
    }
}

// value = kept ? scale · value : 0
template <class A>
void drop(A* __restrict value, const uint32_t* __restrict words, int64_t count, const DropoutMask& mask) {
  const A scale = static_cast<A>(mask.scale());
  const uint32_t last_dropped = mask.last_dropped();
  for (int64_t j = 0; j < count; ++j) {
    const A scaled = value[j] * scale;
    value[j] = words[j] > last_dropped ? scaled : A{0};
  }
}

// f(a) of a hidden layer of type T, and f'(a) beside it; of GELU and QuickGELU from one exponential.
template <class A>
struct ValueAndDerivative {
  A value, derivative;
};

template <Activation activation>
struct HiddenFunction;

template <>
struct HiddenFunction<Activation::gelu> {
  // The hidden layer is one operand of the next product, so that of bf16 nothing finer than its rounding counts.
  template <class T, class A>
  static A value(A a) {
    if constexpr (std::is_same_v<T, bf16>)
      return vmath::coarse_gelu(a);
    else
      return vmath::gelu(a);
  }
  template <class A>
  static ValueAndDerivative<A> with_derivative(A a) {
    const vmath::GeluAndDerivative<A> parts = vmath::gelu_and_derivative(a);
    return {parts.value, parts.derivative};
  }
};

template <>
struct HiddenFunction<Activation::quick_gelu> {
  template <class T, class A>
  static A value(A a) {
    return a * vmath::sigmoid(static_cast<A>(1.702) * a);
  }
  template <class A>
  static ValueAndDerivative<A> with_derivative(A a) {
    const A scaled = static_cast<A>(1.702) * a, s = vmath::sigmoid(scaled);
    return {a * s, s * (1 + scaled * (1 - s))};
  }
};

template <>
struct HiddenFunction<Activation::relu> {
  template <class T, class A>
  static A value(A a) {
    return a < 0 ? A{0} : a;
  }
  template <class A>
  static ValueAndDerivative<A> with_derivative(A a) {
    return {value<A>(a), a > 0 ? A{1} : A{0}};
  }
};

// h = dropout(f(a)) of a finished piece of x W₁ᵀ, in place; a goes to `before` unless that is null.
template <class F, class T, class A>
void hidden_tile(const LinearTile<A>& tile, const A* bias, T* before, int64_t width, const DropoutMask& mask) {
  for_pieces(tile, width, mask, [&](int64_t i, int64_t column, int64_t count, const uint32_t* words) {
    A* __restrict value = tile.row(i) + column;
    const A* __restrict offset = bias + tile.column_begin + column;
    if (before) {
      T* __restrict a = before + i * width + tile.column_begin + column;
      for (int64_t j = 0; j < count; ++j) {
        a[j] = T(value[j] + offset[j]);
        value[j] = F::template value<T>(A(a[j]));
      }
    } else {
      for (int64_t j = 0; j < count; ++j) value[j] = F::template value<T>(A(T(value[j] + offset[j])));
    }
    if (words) drop(value, words, count, mask);
  });
}

// A finished piece of dy W₂ → da, in place; h, computed again, goes to `hidden`. In short loops, each of which becomes
// vector code.
template <class F, class T, class A>
void hidden_gradient_tile(const LinearTile<A>& tile, const T* before, T* hidden, int64_t width,
                          const DropoutMask& mask) {
  for_pieces(tile, width, mask, [&](int64_t i, int64_t column, int64_t count, const uint32_t* words) {
    const int64_t at = i * width + tile.column_begin + column;
    A* __restrict gradient = tile.row(i) + column;
    const T* __restrict a = before + at;
    T* __restrict h = hidden + at;
    A value[DropoutMask::kSegment];
    if (words) drop(gradient, words, count, mask);
    for (int64_t j = 0; j < count; ++j) {
      const ValueAndDerivative<A> parts = F::with_derivative(A(a[j]));
      value[j] = parts.value;
      gradient[j] *= parts.derivative;
    }
    if (words) drop(value, words, count, mask);
    for (int64_t j = 0; j < count; ++j) h[j] = T(value[j]);
  });
}

void write_gradients(ParameterGradients& places, const Tensor& dy, const Tensor& x) {
  if (places.dweight.defined()) linear_weight_gradient_(places.dweight, dy, x, places.accumulate_weight);
  if (places.dbias.defined()) column_sums_(places.dbias, dy, places.accumulate_bias);
}

// x → h = dropout(f(x W₁ᵀ + b₁)) on a GPU; before its dropout and f it goes to `before` if that is defined.
void hidden_on_gpu(const Tensor& x, const LinearParameters& first, double p, const Ticket& ticket,
                   Activation activation, Tensor before, Tensor& hidden) {
  if constexpr (kHasCuda) {
    if (!before.defined()) before = hidden;
    cuda::forward_product(kMlpOp, x, first.weight, first.bias, before);
    cuda::dispatch_device(kMlpOp, x.dtype(), [&](auto tag) {
      using T = decltype(tag);
      cuda::activation_dropout(activation, before.device_data<T>(), hidden.mutable_device_data<T>(), hidden.numel(), p,
                               ticket);
    });
  }
}

// da of dy W₂, and h computed again, on a GPU; with the bias gradient Σ da, of da before it is rounded.
void hidden_gradient_on_gpu(const Tensor& dy, const Tensor& before, const Tensor& second_weight, double p,
                            const Ticket& ticket, Activation activation, ParameterGradients& first, Tensor& da,
                            Tensor& hidden) {
  if constexpr (kHasCuda) {
    cuda::data_gradient_product(kMlpOp, dy, second_weight, da);
    const int64_t rows = row_count(da), columns = da.size(-1);
    Tensor workspace;
    if (first.dbias.defined())
      workspace = Tensor::empty({cuda::column_workspace(rows, columns)}, DType::f32, da.device());
    cuda::dispatch_device(kMlpOp, da.dtype(), [&](auto tag) {
      using T = decltype(tag);
      T* gradient = da.mutable_device_data<T>();
      cuda::activation_dropout_gradient<T>(activation, gradient, before.device_data<T>(), gradient,
                                           hidden.mutable_device_data<T>(),
                                           cuda::mutable_data_or_null<float>(first.dbias), first.accumulate_bias,
                                           cuda::mutable_data_or_null<float>(workspace), rows, columns, p, ticket);
    });
    first.dbias = {};  // done
  }
}

}  // namespace

Mlp mlp(const Tensor& x, const LinearParameters& first, const LinearParameters& second, double p, const Ticket& ticket,
        bool keep, Activation activation) {
  check_linear(kMlpOp, x, first.weight, first.bias);
  const DropoutMask mask(kMlpOp, p, ticket);
  const int64_t width = first.weight.size(0);
  const Shape shape = with_last(x.shape(), width);
  Tensor hidden = Tensor::empty(shape, x.dtype(), x.device());
  Mlp result{{}, keep ? Tensor::empty(shape, x.dtype(), x.device()) : Tensor{}};
  check_linear(kMlpOp, hidden, second.weight, second.bias);
  if (x.on_cuda()) {
    hidden_on_gpu(x, first, p, ticket, activation, result.before, hidden);
  } else {
    const Tensor bias = first.bias.defined() ? first.bias.contiguous() : Tensor::zeros({width}, first.weight.dtype());
    dispatch_activation(kMlpOp, x.dtype(), [&](auto tag) {
      using T = decltype(tag);
      using A = Arithmetic<T>;
      T* before = keep ? result.before.mutable_data<T>() : nullptr;
      const A* offset = bias.data<A>();
      with_activation(activation, [&](auto f) {
        using F = HiddenFunction<decltype(f)::value>;
        forward_product<T>(x, first.weight, hidden,
                           [&](const LinearTile<A>& tile) { hidden_tile<F, T>(tile, offset, before, width, mask); });
      });
    });
  }
  result.y = linear(hidden, second.weight, second.bias);
  return result;
}

Tensor mlp_backward(const Tensor& dy, const Tensor& x, const Tensor& before, const Tensor& first_weight,
                    const Tensor& second_weight, double p, const Ticket& ticket, ParameterGradients first,
                    ParameterGradients second, bool needs_dx, Activation activation) {
  const DropoutMask mask(kMlpOp, p, ticket);
  const int64_t width = first_weight.size(0);
  Tensor hidden = Tensor::empty_like(before), da = Tensor::empty_like(before);
  if (dy.on_cuda())
    hidden_gradient_on_gpu(dy, before, second_weight, p, ticket, activation, first, da, hidden);
  else
    dispatch_activation(kMlpOp, dy.dtype(), [&](auto tag) {
      using T = decltype(tag);
      using A = Arithmetic<T>;
      const T* a = before.data<T>();
      T* h = hidden.mutable_data<T>();
      with_activation(activation, [&](auto f) {
        using F = HiddenFunction<decltype(f)::value>;
        data_gradient_product<T>(dy, second_weight, da, [&](const LinearTile<A>& tile) {
          hidden_gradient_tile<F, T>(tile, a, h, width, mask);
        });
      });
    });
  write_gradients(second, dy, hidden);
  hidden = {};
  write_gradients(first, da, x);
  return needs_dx ? linear_data_gradient(da, first_weight) : Tensor{};
}

}  // namespace tessera::ops
