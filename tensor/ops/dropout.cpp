#include "tensor/ops/dropout.h"

#include <algorithm>

#include "tensor/activation.h"
#include "tensor/cuda/dispatch.h"
#include "tensor/ops/dropout_kernels.h"
#include "tensor/ops/dropout_mask.h"
#include "tensor/parallel.h"

namespace tessera::ops {

Tensor dropout(const Tensor& x, double p, const Ticket& ticket) {
  check(x.defined(), "dropout: x is undefined");
  const DropoutMask mask("dropout", p, ticket);
  check(is_floating(x.dtype()), "dropout: dtype is ", x.dtype(), ", expected f32, f64 or bf16");
  if (!mask.drops()) return x;
  const Tensor from = x.contiguous();
  Tensor y = Tensor::empty_like(x);
  if constexpr (kHasCuda)
    if (x.on_cuda()) {
      cuda::dispatch_device("dropout", x.dtype(), [&](auto tag) {
        using T = decltype(tag);
        cuda::dropout(from.device_data<T>(), y.mutable_device_data<T>(), x.numel(), p, ticket);
      });
      return y;
    }
  dispatch_activation("dropout", x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const T* in = from.data<T>();
    T* out = y.mutable_data<T>();
    using A = Arithmetic<T>;
    const A scale = static_cast<A>(mask.scale());
    const uint32_t last_dropped = mask.last_dropped();
    parallel_for(x.numel(), 8 * DropoutMask::kSegment, [=, &mask](int64_t begin, int64_t end) {
      DropoutMask::Buffer buffer;
      for (int64_t first = begin; first < end; first += DropoutMask::kSegment) {
        const int64_t count = std::min(DropoutMask::kSegment, end - first);
        const uint32_t* words = mask.words(first, count, buffer);
        for (int64_t i = 0; i < count; ++i) {
          const A scaled = static_cast<A>(in[first + i]) * scale;
          out[first + i] = static_cast<T>(words[i] > last_dropped ? scaled : A{0});
        }
      }
    });
  });
  return y;
}

}  // namespace tessera::ops
