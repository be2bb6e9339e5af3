// The functions that code compiled with -fsanitize=thread calls, in place of ThreadSanitizer's (tensor/cuda/accesses.h). Inline
// functions that kernels share with the rest of the program may be the instrumented ones everywhere: outside of a kernel
// these do nothing.
#include "tensor/cuda/accesses.h"

namespace {

using tessera::simt::Access;

inline void hook(const void* address, size_t bytes, Access access, const void* pc) {
  if (tessera::simt::here.in_kernel) tessera::simt::check_access(address, bytes, access, pc);
}

}  // namespace

#define TESSERA_HOOKS(bytes)                                                                                          \
  void __tsan_read##bytes(void* p) { hook(p, bytes, Access::read, __builtin_return_address(0)); }                     \
  void __tsan_write##bytes(void* p) { hook(p, bytes, Access::write, __builtin_return_address(0)); }                   \
  void __tsan_unaligned_read##bytes(void* p) { hook(p, bytes, Access::read, __builtin_return_address(0)); }           \
  void __tsan_unaligned_write##bytes(void* p) { hook(p, bytes, Access::write, __builtin_return_address(0)); }

extern "C" {
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void*, void*) {}
void __tsan_vptr_read(void*) {}
TESSERA_HOOKS(1)
TESSERA_HOOKS(2)
TESSERA_HOOKS(4)
TESSERA_HOOKS(8)
TESSERA_HOOKS(16)
void __tsan_read_range(void* p, unsigned long bytes) { hook(p, bytes, Access::read, __builtin_return_address(0)); }
void __tsan_write_range(void* p, unsigned long bytes) { hook(p, bytes, Access::write, __builtin_return_address(0)); }
}

#undef TESSERA_HOOKS
