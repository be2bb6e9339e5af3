// Entry points of the CUDA kernels of losses and of optimal transport, in the manner of tensor/cuda/kernels.h. A factor
// that the host does not know, such as the gradient of a loss, is read where it lies: on the device.
#pragma once

#include <cstdint>

#include "tensor/cuda/deferred_errors.h"
#include "tensor/dtype.h"

namespace tessera::cuda {

// logits [rows, classes], labels [rows], each below `classes` or ignore_index; log_sum_exp [rows] (not written in rows
// that do not count), losses [rows] (workspace), loss [1] = their sum / divisor.
template <class T>
void cross_entropy(const T* logits, const int64_t* labels, double* log_sum_exp, double* losses, float* loss,
                   int64_t rows, int64_t classes, double divisor, int64_t ignore_index);
// dloss [1]. dx may be logits.
template <class T>
void cross_entropy_backward(const float* dloss, double divisor, const T* logits, const int64_t* labels,
                            const double* log_sum_exp, T* dx, int64_t rows, int64_t classes, int64_t ignore_index);

// f64 elements of workspace for a sum of `count` terms.
int64_t sum_workspace(int64_t count);

// logits, targets [count], loss [1] = their sum · factor. Targets are not checked. dx may be logits.
template <class T>
void bce_with_logits(const T* logits, const float* targets, float* loss, double* workspace, int64_t count,
                     double factor);
template <class T>
void bce_with_logits_backward(const float* dloss, double factor, const T* logits, const float* targets, T* dx,
                              int64_t count);

// out [1] = Σ x² of x [n], in f64; workspace as of sum_workspace.
void global_norm_squared(const float* x, int64_t n, double* out, double* workspace);

// Ragged pairs of row sets, one pair for each sample: marks cu_x and cu_y, and where the matrix of each pair begins in
// a flat array of them all, offsets; [samples + 1] on the device. The largest sizes of one sample are the host's.
struct RaggedPairs {
  const int64_t *cu_x, *cu_y, *offsets;
  int64_t samples, most_x, most_y;
};
// x [rows of x, width], y [rows of y, width], scales [rows], cost flat. workspace: f64 [rows of x and of y].
void cosine_cost(const float* x, const float* y, const RaggedPairs& pairs, int64_t rows_x, int64_t rows_y,
                 int64_t width, double eps, float* x_scale, float* y_scale, float* cost, double* workspace);
void cosine_cost_backward(const float* dcost, const float* x, const float* y, const float* x_scale,
                          const float* y_scale, const RaggedPairs& pairs, int64_t width, double eps, float* dx,
                          float* dy);

// T is float or double. cost and plan flat, offsets [samples + 1] on the device, distance [samples].
template <class T>
void transport_distance(const T* cost, const T* plan, const int64_t* offsets, T* distance, int64_t samples);
// The largest number of elements of a sample is the host's.
template <class T>
void transport_distance_backward(const T* ddistance, const T* plan, const int64_t* offsets, T* dcost, int64_t samples,
                                 int64_t most_cells);

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
