// The GPU's side of tensor/cuda/memory.h and stream.h; the emulation's is emulated_memory.cpp.
#include "tensor/cuda/memory.h"

#include <cstdlib>

#include "tensor/cuda/stream.h"
#include "tensor/error.h"

namespace tessera::cuda {
namespace {

Counters counted;

}  // namespace

bool debugging() {
#ifndef NDEBUG
  return true;
#else
  static const bool wanted = [] {
    const char* value = std::getenv("TESSERA_CUDA_DEBUG");
    return value && *value && *value != '0';
  }();
  return wanted;
#endif
}

void check_status(const char* what, cudaError_t status) {
  check(status == cudaSuccess, "cuda: ", what, ": ", cudaGetErrorString(status));
}

cudaStream_t compute_stream() {
  static const cudaStream_t stream = [] {
    cudaStream_t made = nullptr;
    check_status("stream", cudaStreamCreateWithFlags(&made, cudaStreamNonBlocking));
    return made;
  }();
  return stream;
}

void check_launch(const char* kernel) {
  ++counted.launches;
  check_status(kernel, cudaGetLastError());
  if (debugging()) check_status(kernel, cudaStreamSynchronize(compute_stream()));
}

std::string why_unavailable() {
  static const std::string answer = [] {
    int devices = 0;
    const cudaError_t status = cudaGetDeviceCount(&devices);
    if (status != cudaSuccess) return std::string(cudaGetErrorString(status));
    return std::string(devices > 0 ? "" : "no CUDA device");
  }();
  return answer;
}

void* allocate(int64_t bytes, int64_t, const std::string& name) {
  void* memory = nullptr;
  if (bytes > 0) check_status(name.c_str(), cudaMalloc(&memory, static_cast<size_t>(bytes)));
  return memory;
}

void release(void* memory) { cudaFree(memory); }

void copy_to_device(void* to, const void* from, int64_t bytes) {
  if (bytes <= 0) return;
  check_status("copy to device",
               cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), cudaMemcpyHostToDevice, compute_stream()));
  synchronise();
}

void copy_to_host(void* to, const void* from, int64_t bytes) {
  if (bytes > 0)
    check_status("copy to host",
                 cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), cudaMemcpyDeviceToHost, compute_stream()));
  synchronise();
}

void copy_on_device(void* to, const void* from, int64_t bytes) {
  if (bytes > 0)
    check_status("copy on device",
                 cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), cudaMemcpyDeviceToDevice, compute_stream()));
}

void clear(void* to, int64_t bytes) {
  if (bytes > 0) check_status("clear", cudaMemsetAsync(to, 0, static_cast<size_t>(bytes), compute_stream()));
}

MemoryStatistics memory_statistics() { return {}; }
void reset_peak_memory() {}
void release_cached_memory() {}

Counters counters() { return counted; }

void synchronise() {
  ++counted.synchronisations;
  check_status("synchronise", cudaStreamSynchronize(compute_stream()));
}

}  // namespace tessera::cuda
