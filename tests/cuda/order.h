// The order of threads that tests of kernels choose. Only the emulation lets them: on a GPU (TESSERA_ON_GPU, tests_gpu)
// the number below changes nothing, so that what runs in three orders is repeated three times; and nothing there checks
// accesses.
#pragma once

#ifdef TESSERA_ON_GPU
#include <cstdint>

namespace tessera::simt {

inline uint64_t order = 0;
inline bool accesses_are_checked() { return false; }

}  // namespace tessera::simt
#else
#include "tensor/cuda/emulation/order.h"
#endif
