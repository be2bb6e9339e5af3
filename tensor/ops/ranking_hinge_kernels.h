// The kernels of tensor/ops/ranking_hinge.h.
#pragma once

#include <cstdint>

namespace tessera::cuda {

// similarity [n, n], active [2, n], losses [2, n] (workspace), loss [1].
void ranking_hinge(const float* similarity, float margin, bool hardest, int64_t n, int64_t* active, double* losses,
                   float* loss);
// dloss [1], gradient [n, n].
void ranking_hinge_backward(const float* dloss, const float* similarity, const int64_t* active, float margin,
                            bool hardest, int64_t n, float* gradient);

}  // namespace tessera::cuda
