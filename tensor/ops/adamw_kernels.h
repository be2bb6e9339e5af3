// The kernel of tensor/ops/adamw.h.
#pragma once

#include <cstdint>

#include "tensor/dtype.h"

namespace tessera::ops {
template <class T>
struct AdamWConstants;
}  // namespace tessera::ops

namespace tessera::cuda {

// Elements begin .. begin + count - 1 of the arenas, with the constants of a slice. copy: where those values go rounded
// to bf16, or null.
struct AdamWPiece {
  int64_t begin;
  bf16* copy;
  int32_t count, slice;
};
// values, gradients, exp_avg, exp_avg_sq are arenas; pieces and constants (one for each slice) lie on the device.
// gradient_scale (may be null) multiplies the gradient; if it is not finite, nothing is written.
void adamw(float* values, const float* gradients, float* exp_avg, float* exp_avg_sq, const AdamWPiece* pieces,
           int64_t piece_count, const ops::AdamWConstants<float>* constants, const float* gradient_scale);

}  // namespace tessera::cuda
