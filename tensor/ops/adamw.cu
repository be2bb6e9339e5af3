// ops::adamw_ on the GPU: one pass over the arenas, which also writes the parameters' bf16 copy.
#include <algorithm>

#include "tensor/cuda/kernels.h"
#include "tensor/cuda/simt.h"
#include "tensor/ops/adamw_constants.h"

namespace tessera::cuda {
namespace {

constexpr int kThreads = 256;

// A block for each piece.
__global__ void __launch_bounds__(kThreads)
    adamw_kernel(float* values, const float* gradients, float* exp_avg, float* exp_avg_sq, bf16* copy,
                 const AdamWPiece* pieces, const ops::AdamWConstants<float>* constants) {
  const AdamWPiece piece = pieces[blockIdx.x];
  const ops::AdamWConstants<float> c = constants[piece.slice];
  for (int64_t i = piece.begin + threadIdx.x; i < piece.begin + piece.count; i += kThreads) {
    const float gradient = gradients[i] * c.gradient_scale;
    const float mean = c.beta1 * exp_avg[i] + c.one_minus_beta1 * gradient;
    const float square = c.beta2 * exp_avg_sq[i] + c.one_minus_beta2 * gradient * gradient;
    const float step = c.rate * mean / (sqrtf(square) * c.root_scale + c.eps);
    const float value = (values[i] * c.decay_before - step) * c.decay_after;
    exp_avg[i] = mean;
    exp_avg_sq[i] = square;
    values[i] = value;
    if (copy != nullptr) copy[i] = simt::from_float<bf16>(value);
  }
}

}  // namespace

std::vector<AdamWPiece> adamw_pieces(std::span<const ops::AdamWSlice> slices) {
  constexpr int64_t kLength = 4096;
  std::vector<AdamWPiece> pieces;
  for (size_t s = 0; s < slices.size(); ++s)
    for (int64_t begin = slices[s].begin; begin < slices[s].end; begin += kLength)
      pieces.push_back(
          {begin, static_cast<int32_t>(std::min(kLength, slices[s].end - begin)), static_cast<int32_t>(s)});
  return pieces;
}

void adamw(float* values, const float* gradients, float* exp_avg, float* exp_avg_sq, bf16* copy,
           const AdamWPiece* pieces, int64_t piece_count, const ops::AdamWConstants<float>* constants) {
  simt::launch<adamw_kernel>(static_cast<unsigned>(piece_count), kThreads, 0, values, gradients, exp_avg,
                             exp_avg_sq, copy, pieces, constants);
}

}  // namespace tessera::cuda
