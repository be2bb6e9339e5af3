// The kernel of tensor/ops/all_finite.h.
#pragma once

#include <cstdint>

namespace tessera::cuda {

// Waits for the answer.
template <class T>
bool all_finite(const T* x, int64_t count);

}  // namespace tessera::cuda
