// Kernels of ops::StepFigures.
#include "tensor/cuda/simt.h"
#include "tensor/ops/step_figures_kernels.h"

namespace tessera::cuda {
namespace {

constexpr int kFigureThreads = 256;

__global__ void add_figure_kernel(double* state, int figure, const float* value) { state[figure] += *value; }

struct Counts {
  int of_thread[kFigureThreads];
};

__global__ void __launch_bounds__(kFigureThreads)
    add_matches_kernel(double* state, int figure, const int64_t* a, const int64_t* b, int64_t count) {
  Counts& counts = simt::block_shared<Counts>();
  const int thread = static_cast<int>(threadIdx.x);
  int matches = 0;
  for (int64_t i = thread; i < count; i += kFigureThreads) matches += a[i] == b[i];
  counts.of_thread[thread] = matches;
  for (int half = kFigureThreads / 2; half > 0; half /= 2) {
    __syncthreads();
    if (thread < half) counts.of_thread[thread] += counts.of_thread[thread + half];
  }
  if (thread == 0) state[figure] += counts.of_thread[0];
}

__global__ void finish_step_kernel(double* state, int64_t number, int loss, int norm, const double* norm_squared,
                                   double max_norm, float* factor) {
  const double value = sqrt(*norm_squared), step_loss = state[loss] - state[kLossBefore];
  if (state[kFailedStep] == 0 && !(isfinite(value) && isfinite(step_loss))) {
    state[kFailedStep] = static_cast<double>(number);
    state[kFailedLoss] = step_loss;
    state[kFailedNorm] = value;
  }
  state[norm] += value;
  state[kLossBefore] = state[loss];
  const double clipped = max_norm > 0 ? min(1.0, max_norm / (value + 1e-6)) : 1.0;
  *factor = state[kFailedStep] == 0 ? static_cast<float>(clipped) : NAN;
}

}  // namespace

void add_figure(double* state, int figure, const float* value) {
  simt::launch<add_figure_kernel>(1, 1, 0, state, figure, value);
}

void add_matches(double* state, int figure, const int64_t* a, const int64_t* b, int64_t count) {
  simt::launch<add_matches_kernel>(1, kFigureThreads, 0, state, figure, a, b, count);
}

void finish_step(double* state, int64_t number, int loss, int norm, const double* norm_squared, double max_norm,
                 float* factor) {
  simt::launch<finish_step_kernel>(1, 1, 0, state, number, loss, norm, norm_squared, max_norm, factor);
}

}  // namespace tessera::cuda
