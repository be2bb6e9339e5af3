// ops::adamw_ on the GPU: one pass over the arenas, which also writes the weights' bf16 copies.
#include "tensor/cuda/simt.h"
#include "tensor/ops/adamw_constants.h"
#include "tensor/ops/adamw_kernels.h"

namespace tessera::cuda {
namespace {

constexpr int kAdamwThreads = 256;

// A block for each piece. Unrolled, so that a thread waits for the loads of several elements at once.
__global__ void __launch_bounds__(kAdamwThreads)
    adamw_kernel(float* __restrict__ values, const float* __restrict__ gradients, float* __restrict__ exp_avg,
                 float* __restrict__ exp_avg_sq, const AdamWPiece* pieces, const ops::AdamWConstants<float>* constants,
                 const float* gradient_scale) {
  const AdamWPiece piece = pieces[blockIdx.x];
  const ops::AdamWConstants<float> c = constants[piece.slice];
  const float given = gradient_scale != nullptr ? *gradient_scale : 1.0f;
  if (!isfinite(given)) return;
  const float scale = c.gradient_scale * given;
#ifdef __CUDACC__
#pragma unroll 4
#endif
  for (int i = static_cast<int>(threadIdx.x); i < piece.count; i += kAdamwThreads) {
    const int64_t at = piece.begin + i;
    const float gradient = gradients[at] * scale;
    const float mean = c.beta1 * exp_avg[at] + c.one_minus_beta1 * gradient;
    const float square = c.beta2 * exp_avg_sq[at] + c.one_minus_beta2 * gradient * gradient;
    const float step = c.rate * mean / (sqrtf(square) * c.root_scale + c.eps);
    const float value = (values[at] * c.decay_before - step) * c.decay_after;
    exp_avg[at] = mean;
    exp_avg_sq[at] = square;
    values[at] = value;
    if (piece.copy != nullptr) piece.copy[i] = simt::from_float<bf16>(value);
  }
}

}  // namespace

void adamw(float* values, const float* gradients, float* exp_avg, float* exp_avg_sq, const AdamWPiece* pieces,
           int64_t piece_count, const ops::AdamWConstants<float>* constants, const float* gradient_scale) {
  simt::launch<adamw_kernel>(static_cast<unsigned>(piece_count), kAdamwThreads, 0, values, gradients, exp_avg,
                             exp_avg_sq, pieces, constants, gradient_scale);
}

}  // namespace tessera::cuda
