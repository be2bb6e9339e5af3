// A queue of GPU work, without CUDA's headers. The default is CUDA's default stream; in emulation a launch has finished
// when it returns, and streams have no meaning.
#pragma once

namespace tessera::cuda {

struct Stream {
  void* handle = nullptr;  // a cudaStream_t
};

}  // namespace tessera::cuda
