// Kernels of one warp that show what the functions of tensor/cuda/mma.h do. All pointers are the device's.
#pragma once

#include "tensor/dtype.h"

namespace tessera::test {

// Registers of all lanes as they are: a [32, 4], b [32, 2], c [32, 4], which becomes c + a b.
void probe_multiply_add(const unsigned* a, const unsigned* b, float* c);

// `rows` [32, 8]: the row that each lane addresses; they lie in shared memory `stride` elements apart. r [32, 4].
void probe_load_matrices(const bf16* rows, int stride, bool transposed, unsigned* r);

// c [16, 8] = a [16, 16] · b, of b [16, 8] or its transpose [8, 16], through shared memory.
void probe_product(const bf16* a, const bf16* b, bool b_transposed, float* c);

// y [count · 8] = x, by asynchronous copies; pieces of 8 from `present` on are zeros. Mistakes: shared memory is read
// before the wait, or without a barrier, or is copied to while other threads may still read it.
enum class CopyMistake { none, no_wait, no_barrier, overwrites };
void probe_copy(const bf16* x, bf16* y, int count, int present, CopyMistake mistake);

}  // namespace tessera::test
