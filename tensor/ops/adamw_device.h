// ops::adamw_ on the GPU, after its checks.
#pragma once

#include <span>

#include "tensor/ops/adamw.h"

namespace tessera::cuda {

void adamw_(Tensor& values, const Tensor& gradients, Tensor& exp_avg, Tensor& exp_avg_sq,
            std::span<const ops::AdamWSlice> slices, const ops::AdamWStep& step, std::span<Tensor> parameters);

}  // namespace tessera::cuda
