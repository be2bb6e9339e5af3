// ops::dropout on the GPU, the same bits.
#include "tensor/cuda/device_mask.h"
#include "tensor/cuda/elementwise_launch.h"
#include "tensor/ops/dropout_kernels.h"

namespace tessera::cuda {
namespace {

struct Dropout {
  Mask mask;

  template <int n>
  __device__ void operator()(int64_t first, float (&x)[n], const float (&)[n]) const {
    mask.apply(first, x);
  }
};

}  // namespace

template <class T>
void dropout(const T* x, T* y, int64_t count, double p, const Ticket& ticket) {
  elementwise<T>(x, nullptr, y, count, Dropout{Mask("dropout", p, ticket)});
}

template void dropout(const float*, float*, int64_t, double, const Ticket&);
template void dropout(const bf16*, bf16*, int64_t, double, const Ticket&);

}  // namespace tessera::cuda
