// The kernel of tensor/ops/normalise_patches.h.
#pragma once

#include <array>
#include <cstdint>

namespace tessera::cuda {

// levels, out [rows, 3, area]; T is float or bf16.
template <class T>
void normalise_patches(const uint8_t* levels, T* out, int64_t rows, int64_t area, const std::array<float, 3>& mean,
                       const std::array<float, 3>& std);

}  // namespace tessera::cuda
