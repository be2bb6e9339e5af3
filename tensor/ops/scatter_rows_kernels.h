// The kernels of the gradients of tensor/ops/gather_rows.h and embed_tokens.h.
#pragma once

#include <cstdint>

#include "tensor/cuda/row_segments.h"
#include "tensor/philox.h"

namespace tessera::cuda {

// gradient [rows, width] of G = T or f32: Σ weight[e] · dropout(dout)[e / taps] over the entries e of each row; weight
// may be null. dout [entries / taps, width]. workspace: f32 [segments.piece_count, width].
template <class T, class G>
void scatter_rows(const T* dout, const RowSegments& segments, const float* weight, int64_t taps, G* gradient,
                  float* workspace, int64_t rows, int64_t width, bool accumulate, double p, const Ticket& ticket);

}  // namespace tessera::cuda
