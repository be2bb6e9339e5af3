// The functions that code compiled with -fsanitize=thread calls, in place of ThreadSanitizer's
// (tensor/cuda/emulation/accesses.h). Inline functions that kernels share with the rest of the program may be the
// instrumented ones everywhere: outside of a kernel these do nothing.
#include "tensor/cuda/emulation/accesses.h"

namespace {

using tessera::simt::Access;

inline void hook(const void* address, size_t bytes, bool aligned, Access access, const void* pc) {
  if (tessera::simt::here.in_kernel) tessera::simt::check_access(address, bytes, aligned, access, pc);
}

}  // namespace

#define TESSERA_HOOK(name, bytes, aligned, access) \
  void name(void* p) { hook(p, bytes, aligned, access, __builtin_return_address(0)); }
#define TESSERA_HOOKS(bytes)                                             \
  TESSERA_HOOK(__tsan_read##bytes, bytes, true, Access::read)            \
  TESSERA_HOOK(__tsan_write##bytes, bytes, true, Access::write)          \
  TESSERA_HOOK(__tsan_unaligned_read##bytes, bytes, false, Access::read) \
  TESSERA_HOOK(__tsan_unaligned_write##bytes, bytes, false, Access::write)

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
void __tsan_read_range(void* p, unsigned long bytes) {
  hook(p, bytes, false, Access::read, __builtin_return_address(0));
}
void __tsan_write_range(void* p, unsigned long bytes) {
  hook(p, bytes, false, Access::write, __builtin_return_address(0));
}
}

#undef TESSERA_HOOKS
#undef TESSERA_HOOK
