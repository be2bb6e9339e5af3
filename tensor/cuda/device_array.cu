// The GPU's side of tensor/cuda/device_array.h; the emulation's is emulated_array.cpp.
#include "tensor/cuda/device_array.h"

#include "tensor/cuda/simt.h"

namespace tessera::cuda {

void* allocate(size_t bytes, size_t, const std::string& name) {
  void* memory = nullptr;
  if (bytes > 0) simt::check_status(name.c_str(), cudaMalloc(&memory, bytes));
  return memory;
}

void release(void* memory) { cudaFree(memory); }

void copy_to_device(void* to, const void* from, size_t bytes, Stream stream) {
  const auto queue = static_cast<cudaStream_t>(stream.handle);
  simt::check_status("copy to device", cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, queue));
  simt::check_status("copy to device", cudaStreamSynchronize(queue));
}

void copy_to_host(void* to, const void* from, size_t bytes, Stream stream) {
  const auto queue = static_cast<cudaStream_t>(stream.handle);
  simt::check_status("copy to host", cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, queue));
  simt::check_status("copy to host", cudaStreamSynchronize(queue));
}

}  // namespace tessera::cuda
