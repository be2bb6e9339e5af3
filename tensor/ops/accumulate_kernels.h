// The kernels of tensor/ops/accumulate.h.
#pragma once

#include <cstdint>

namespace tessera::cuda {

// Reductions of x [outer, middle, inner] over the middle go in passes: one pass makes [outer, chunks, inner] of it, and
// the next takes that for x, until there is one chunk. The number of chunks depends on the middle alone.
int64_t reduction_chunks(int64_t middle, int64_t inner);
// partial = sums; T is float or double.
template <class T>
void sum_chunks(const T* x, T* partial, int64_t outer, int64_t middle, int64_t inner);

}  // namespace tessera::cuda
