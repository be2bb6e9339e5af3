#include "tensor/cuda/emulation/fiber.h"

#include <sys/mman.h>

#include "tensor/error.h"

#if TESSERA_SIMT_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if TESSERA_SIMT_TSAN
#include <sanitizer/tsan_interface.h>
#endif

#if TESSERA_SIMT_ASSEMBLY
// Saves the registers that a callee has to keep on the running stack, stores its top in *from, and goes on where the
// stack `to` was left.
extern "C" void tessera_switch_stacks(void** from, void* to);
asm(R"(.text
.globl tessera_switch_stacks
.type tessera_switch_stacks, @function
tessera_switch_stacks:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size tessera_switch_stacks, .-tessera_switch_stacks
)");
#endif

namespace tessera::simt {
namespace {

constexpr size_t kPage = 4096;
#if TESSERA_SIMT_ASAN || TESSERA_SIMT_TSAN
constexpr size_t kStack = 256 * 1024;
#else
constexpr size_t kStack = 64 * 1024;
#endif

}  // namespace

TESSERA_UNINSTRUMENTED void prepare(Fiber& fiber, void (*entry)(), unsigned colour) {
  if (!fiber.stack) {
    void* map =
        mmap(nullptr, kPage + kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    check(map != MAP_FAILED, "simt: no memory for the stacks of fibres");
    mprotect(map, kPage, PROT_NONE);  // a stack that overflows faults
    fiber.stack = static_cast<char*>(map) + kPage;
    fiber.stack_bytes = kStack;
  }
#if TESSERA_SIMT_ASAN
  ASAN_UNPOISON_MEMORY_REGION(fiber.stack, kStack);
  fiber.sanitizer = nullptr;
#elif TESSERA_SIMT_TSAN
  if (fiber.sanitizer) __tsan_destroy_fiber(fiber.sanitizer);
  fiber.sanitizer = __tsan_create_fiber(0);
#endif
  const size_t usable = kStack - colour * 320 % kPage / 64 * 64;
#if TESSERA_SIMT_ASSEMBLY
  constexpr int kSaved = 6;  // registers; after them the address to return to, and a word for the alignment
  void** frame = reinterpret_cast<void**>(fiber.stack + usable) - (kSaved + 2);
  for (int i = 0; i < kSaved + 2; ++i) frame[i] = nullptr;
  frame[kSaved] = reinterpret_cast<void*>(entry);
  fiber.top = frame;
#else
  getcontext(&fiber.context);
  fiber.context.uc_stack.ss_sp = fiber.stack;
  fiber.context.uc_stack.ss_size = usable;
  fiber.context.uc_link = nullptr;
  makecontext(&fiber.context, entry, 0);
#endif
}

TESSERA_UNINSTRUMENTED void switch_fibers(Fiber& from, Fiber& to) {
#if TESSERA_SIMT_ASAN
  __sanitizer_start_switch_fiber(&from.sanitizer, to.stack, to.stack_bytes);
#elif TESSERA_SIMT_TSAN
  __tsan_switch_to_fiber(to.sanitizer, __tsan_switch_to_fiber_no_sync);
#endif
#if TESSERA_SIMT_ASSEMBLY
  tessera_switch_stacks(&from.top, to.top);
#else
  swapcontext(&from.context, &to.context);
#endif
#if TESSERA_SIMT_ASAN
  __sanitizer_finish_switch_fiber(from.sanitizer, nullptr, nullptr);
#endif
}

TESSERA_UNINSTRUMENTED void entered([[maybe_unused]] Fiber& host) {
#if TESSERA_SIMT_ASAN
  const void* bottom = nullptr;
  size_t bytes = 0;
  __sanitizer_finish_switch_fiber(nullptr, &bottom, &bytes);
  if (!host.stack) {  // the first fibre ever is entered from the host's stack
    host.stack = static_cast<char*>(const_cast<void*>(bottom));
    host.stack_bytes = bytes;
  }
#endif
}

#if TESSERA_SIMT_TSAN
void adopt(Fiber& host) { host.sanitizer = __tsan_get_current_fiber(); }
void name_fiber(Fiber& fiber, const char* name) { __tsan_set_fiber_name(fiber.sanitizer, name); }
TESSERA_UNINSTRUMENTED void release(void* address) { __tsan_release(address); }
TESSERA_UNINSTRUMENTED void acquire(void* address) { __tsan_acquire(address); }
#else
void adopt(Fiber&) {}
void name_fiber(Fiber&, const char*) {}
void release(void*) {}
void acquire(void*) {}
#endif

}  // namespace tessera::simt
