// The kernel of tensor/ops/dropout.h.
#pragma once

#include <cstdint>

#include "tensor/dtype.h"
#include "tensor/philox.h"

namespace tessera::cuda {

// [count]; y may be x. With p = 0 nothing is dropped.
template <class T>
void dropout(const T* x, T* y, int64_t count, double p, const Ticket& ticket);

}  // namespace tessera::cuda
