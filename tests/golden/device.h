// Where the golden tests compute: on the CPU in f64 and in f32, or on a GPU in f32 alone.
#pragma once

#include <vector>

#include "tensor/tensor.h"

namespace tessera::golden {

inline Device computed_on;  // set once, by main
inline bool on_gpu() { return computed_on.kind == Device::cuda; }

inline std::vector<DType> computed_dtypes() {
  return on_gpu() ? std::vector{DType::f32} : std::vector{DType::f64, DType::f32};
}

}  // namespace tessera::golden
