#pragma once

#include <array>

#include "tensor/tensor.h"

namespace tessera::ops {

// Patches of 8-bit levels x as rows of the patch projection: (x / 255 - mean) / std of each channel, computed in f32 in
// this order and rounded to `dtype` (f32, bf16 or f64; f32 or bf16 on a GPU). levels u8 [n, 3 · area], each row
// (channel, y, x) → [n, 3 · area]. On a GPU the bits are the CPU's.
Tensor normalise_patches(const Tensor& levels, const std::array<float, 3>& mean, const std::array<float, 3>& std,
                         DType dtype);

}  // namespace tessera::ops
