#include "tensor/ops/normalise_patches.h"

#include "tensor/activation.h"
#include "tensor/cuda/dispatch.h"
#include "tensor/ops/normalise_patches_kernels.h"
#include "tensor/parallel.h"

namespace tessera::ops {

Tensor normalise_patches(const Tensor& levels, const std::array<float, 3>& mean, const std::array<float, 3>& std,
                         DType dtype) {
  check(levels.dtype() == DType::u8 && levels.dim() == 2 && levels.size(1) % 3 == 0, "normalise_patches: levels are ",
        describe(levels), ", expected u8 [n, 3 area]");
  const int64_t rows = levels.size(0), area = levels.size(1) / 3;
  const Tensor source = levels.contiguous();
  Tensor out = Tensor::empty(levels.shape(), dtype, levels.device());
  if constexpr (kHasCuda)
    if (levels.on_cuda()) {
      cuda::dispatch_device("normalise_patches", dtype, [&](auto tag) {
        using T = decltype(tag);
        cuda::normalise_patches(source.device_data<uint8_t>(), out.mutable_device_data<T>(), rows, area, mean, std);
      });
      return out;
    }
  dispatch_activation("normalise_patches", dtype, [&](auto tag) {
    using T = decltype(tag);
    T table[3][256];
    for (size_t c = 0; c < 3; ++c)
      for (int x = 0; x < 256; ++x) table[c][x] = static_cast<T>((static_cast<float>(x) / 255.0f - mean[c]) / std[c]);
    const uint8_t* from = source.data<uint8_t>();
    T* to = out.mutable_data<T>();
    parallel_for(rows * 3, grain_for(area), [&](int64_t begin, int64_t end) {
      for (int64_t plane = begin; plane < end; ++plane)
        for (int64_t i = plane * area; i < (plane + 1) * area; ++i) to[i] = table[plane % 3][from[i]];
    });
  });
  return out;
}

}  // namespace tessera::ops
