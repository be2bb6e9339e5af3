// The kernels of tensor/ops/reduce.h beside those of accumulate_kernels.h, in whose passes they go.
#pragma once

#include <cstdint>

namespace tessera::cuda {

// value and index = the first of the largest (a NaN is larger than everything) and its place in the middle.
// `places` (as x) says which places x's elements had in the pass before; null in the first.
template <class T>
void max_chunks(const T* x, const int64_t* places, T* value, int64_t* index, int64_t outer, int64_t middle,
                int64_t inner);
// dx [outer, middle, inner], zeros before, = dy [outer, inner] at index [outer, inner].
template <class T>
void max_backward(const T* dy, const int64_t* index, T* dx, int64_t outer, int64_t middle, int64_t inner);

}  // namespace tessera::cuda
