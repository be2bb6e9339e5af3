// The emulation's side of tensor/cuda/gemm.h: no library.
#include "tensor/cuda/gemm.h"

namespace tessera::cuda {

bool library_gemm(const Gemm&) { return false; }

}  // namespace tessera::cuda
