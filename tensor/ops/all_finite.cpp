#include "tensor/ops/all_finite.h"

#include <cmath>

#include "tensor/activation.h"
#include "tensor/cuda/has_cuda.h"
#include "tensor/ops/all_finite_kernels.h"

namespace tessera::ops {

bool all_finite(const Tensor& x) {
  if (!x.defined() || !is_floating(x.dtype())) return true;
  const Tensor values = x.contiguous();
  return dispatch_activation("all_finite", values.dtype(), [&](auto tag) {
    using T = decltype(tag);
    if constexpr (kHasCuda)
      if (values.on_cuda()) return cuda::all_finite(values.device_data<T>(), values.numel());
    const T* v = values.data<T>();
    for (int64_t i = 0; i < values.numel(); ++i)
      if (!std::isfinite(static_cast<double>(v[i]))) return false;
    return true;
  });
}

}  // namespace tessera::ops
