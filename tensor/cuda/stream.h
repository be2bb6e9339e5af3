// The compute stream and its errors, for code that sees CUDA's headers.
#pragma once

#include <cuda_runtime.h>

namespace tessera::cuda {

// Throws "cuda: what: CUDA's own words" unless the status is success. If it is an error of a kernel that was launched
// before, which CUDA reports at any later call, the last kernel is named too.
void check_status(const char* what, cudaError_t status);
// The one stream that all kernels, copies and products are given to; made, with the device chosen, at the first call.
cudaStream_t compute_stream();
// Without NDEBUG, or with TESSERA_CUDA_DEBUG=1 in the environment.
bool debugging();
// Counts a launch and checks it; when debugging it waits for the kernel. `kernel`: its name, with much around it; it
// has to live for ever.
void check_launch(const char* kernel);

bool is_capturing();  // a graph (tensor/cuda/graph.h)
// Throws "cuda: WHAT while a CUDA graph is recorded" if that is so.
void check_not_capturing(const char* what);
// The pinned buffers of copies that a graph has captured are busy until it was launched and has run.
void note_captured_copies();    // it was launched
void forget_captured_copies();  // it never will be

}  // namespace tessera::cuda
