// The emulation's side of tensor/cuda/device_array.h. Sizes are not rounded up: a sanitizer's red zone begins where an
// array ends.
#include <cstdlib>
#include <cstring>

#include "tensor/cuda/accesses.h"
#include "tensor/cuda/device_array.h"

namespace tessera::cuda {

void* allocate(size_t bytes, size_t element, const std::string& name) {
  constexpr size_t kAlignment = 256;
  void* memory = nullptr;
  check(posix_memalign(&memory, kAlignment, bytes) == 0, "simt: no memory for ", name);
  if (bytes > 0) std::memset(memory, 0xff, bytes);
  simt::add_array(memory, bytes, element, name);
  return memory;
}

void release(void* memory) {
  simt::remove_array(memory);
  std::free(memory);
}

void copy_to_device(void* to, const void* from, size_t bytes, Stream) {
  if (bytes > 0) std::memcpy(to, from, bytes);
  simt::array_written_by_host(to);
}

void copy_to_host(void* to, const void* from, size_t bytes, Stream) {
  if (bytes > 0) std::memcpy(to, from, bytes);
}

}  // namespace tessera::cuda
