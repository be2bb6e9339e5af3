// The emulation's side of tensor/ops/conv2d/conv2d_kernels.h: no library.
#include "tensor/ops/conv2d/conv2d_kernels.h"

namespace tessera::cuda {

bool library_convolution(const Convolution&) { return false; }

}  // namespace tessera::cuda
