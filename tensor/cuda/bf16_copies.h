// The bf16 copies of f32 weights and biases on a GPU that products of bf16 activations use. A copy hangs on the
// weight's root, lives as long as the weight, and is as of one version of it: it is rounded once per update, not in
// every product. Its twin on the CPU is tensor/gemm/packed/weight_copies.h.
#pragma once

#include <span>

#include "tensor/tensor.h"

namespace tessera::cuda {

// The elements of `weight`, rounded to bf16, with its shape. A view that is contiguous, or the transpose of one that
// is, is part of the copy of the whole; any other is rounded anew in every call. Throws unless it is f32 on a GPU.
Tensor bf16_copy(const Tensor& weight);

// For an update that writes `values` [n], an arena in which the parameters lie. If copies of any of them have been used
// since the last call: a tensor [n] of bf16 in which their copies lie now (each where its parameter does, as of its
// present version, so that an update may leave out what it does not change), for the update to write in its own pass,
// and mark_bf16_copies to be called after. Else undefined; the copies that there were are dropped, so that those which
// are no longer used (as after an evaluation in bf16) cost neither time nor memory.
Tensor bf16_arena_in_use(const Tensor& values, std::span<const Tensor> parameters);
// The copies are as of the parameters' present versions.
void mark_bf16_copies(std::span<const Tensor> parameters);

}  // namespace tessera::cuda
