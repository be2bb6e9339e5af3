// The emulation's side of tensor/gemm/gemm_kernels.h: no library.
#include "tensor/gemm/gemm_kernels.h"

namespace tessera::cuda {

bool library_gemm(const Gemm&) { return false; }

}  // namespace tessera::cuda
