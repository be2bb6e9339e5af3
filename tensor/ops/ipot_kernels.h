// The kernel of tensor/ops/ipot.h.
#pragma once

#include <cstdint>

#include "tensor/cuda/deferred_errors.h"

namespace tessera::cuda {

// cu_rows, cu_columns, offsets [count + 1] (where each matrix begins), cost and marginals (null: uniform) lie on the
// device; the largest sizes of one sample are the host's.
struct IpotSamples {
  const float *cost, *row_marginals, *column_marginals;
  const int64_t *cu_rows, *cu_columns, *offsets;
  int64_t count, most_rows, most_columns, most_cells;
};
bool ipot_fits_shared_memory(const IpotSamples& samples);
// plan as cost. workspace32: null if it fits shared memory; it and workspace64 are of twice the cost's size. A sample
// for which beta is too small even for f64 is reported to `failed` and its plan is NaN.
void ipot(const IpotSamples& samples, float* plan, double beta, int64_t iterations, float* workspace32,
          double* workspace64, ErrorWord* failed);
// What `failed` tells: the costs of the failed sample with the largest cost.
struct CostRange {
  float least, most;
};
CostRange ipot_failure(ErrorWord word);

}  // namespace tessera::cuda
