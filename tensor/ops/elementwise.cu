// The elementwise ops of a transformer on the GPU: activations with the dropout behind them, and sums.
#include "tensor/cuda/device_mask.h"
#include "tensor/cuda/elementwise_launch.h"
#include "tensor/cuda/hidden_function.h"
#include "tensor/ops/elementwise_kernels.h"

namespace tessera::cuda {
namespace {

struct Sum {
  template <int n>
  __device__ void operator()(int64_t, float (&a)[n], const float (&b)[n]) const {
    for (int j = 0; j < n; ++j) a[j] += b[j];
  }
};

template <Activation activation>
struct ActivationDropout {
  Mask mask;

  template <int n>
  __device__ void operator()(int64_t first, float (&x)[n], const float (&)[n]) const {
    for (int j = 0; j < n; ++j) x[j] = HiddenFunction<activation>::of(x[j]).value;
    mask.apply(first, x);
  }
};

// (Φ(x) + x φ(x)) dropout(dy).
struct GeluDropoutBackward {
  Mask mask;

  template <int n>
  __device__ void operator()(int64_t first, float (&dy)[n], const float (&x)[n]) const {
    mask.apply(first, dy);
    for (int j = 0; j < n; ++j) dy[j] *= gelu_derivative(x[j], normal_cdf(x[j]));
  }
};

}  // namespace

template <class T>
void add(const T* a, const T* b, T* y, int64_t count) {
  elementwise<T>(a, b, y, count, Sum{});
}

template <class T>
void activation_dropout(Activation f, const T* x, T* y, int64_t count, double p, const Ticket& ticket) {
  with_activation(f, [&](auto activation) {
    elementwise<T>(x, nullptr, y, count, ActivationDropout<decltype(activation)::value>{Mask("mlp", p, ticket)});
  });
}

template <class T>
void gelu_dropout_backward(const T* dy, const T* x, T* dx, int64_t count, double p, const Ticket& ticket) {
  elementwise<T>(dy, x, dx, count, GeluDropoutBackward{Mask("gelu_dropout", p, ticket)});
}

template void add(const float*, const float*, float*, int64_t);
template void add(const bf16*, const bf16*, bf16*, int64_t);
template void activation_dropout(Activation, const float*, float*, int64_t, double, const Ticket&);
template void activation_dropout(Activation, const bf16*, bf16*, int64_t, double, const Ticket&);
template void gelu_dropout_backward(const float*, const float*, float*, int64_t, double, const Ticket&);
template void gelu_dropout_backward(const bf16*, const bf16*, bf16*, int64_t, double, const Ticket&);

}  // namespace tessera::cuda
