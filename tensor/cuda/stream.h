// The compute stream and its errors, for code that sees CUDA's headers.
#pragma once

#include <cuda_runtime.h>

namespace tessera::cuda {

// Throws "cuda: what: CUDA's own words" unless the status is success.
void check_status(const char* what, cudaError_t status);
// The one stream that all kernels, copies and products are given to; made, with the device chosen, at the first call.
cudaStream_t compute_stream();
// Counts a launch and checks it; in debug mode it waits for the kernel. `kernel`: its name, with much around it.
void check_launch(const char* kernel);

}  // namespace tessera::cuda
