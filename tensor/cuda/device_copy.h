// Index tensors, marks and labels stay on the host, where ops check and read them; what a kernel needs of them is a copy
// on the GPU that hangs on the tensor's root and is made once for each version.
#pragma once

#include "tensor/tensor.h"

namespace tessera::cuda {

// The elements of a host tensor, contiguous, on the GPU; the tensor itself, contiguous, if it lies there. The copy is
// made at the first call and again after the tensor was modified; a view has a copy of its own, which is not kept.
Tensor on_device(const Tensor& host);

}  // namespace tessera::cuda
