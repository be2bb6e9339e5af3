// The kernel of tensor/ops/global_norm.h.
#pragma once

#include <cstdint>

namespace tessera::cuda {

// out [1] = Σ x² of x [n], in f64; workspace [sum_workspace(n)] (tensor/cuda/sum_workspace.h).
void global_norm_squared(const float* x, int64_t n, double* out, double* workspace);

}  // namespace tessera::cuda
