// Fibres: stacks between which one OS thread switches. AddressSanitizer and ThreadSanitizer are told of every switch.
#pragma once

#include <cstddef>

#if !defined(__has_feature)
#define __has_feature(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define TESSERA_SIMT_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define TESSERA_SIMT_TSAN 1
#endif

// Switching by <ucontext.h> works anywhere, and costs a system call.
#if defined(__x86_64__) && !defined(TESSERA_SIMT_UCONTEXT)
#define TESSERA_SIMT_ASSEMBLY 1
#else
#include <ucontext.h>
#endif

// For what runs between two fibres: the sanitizers shall see the kernels' accesses and nothing of the scheduler's.
#define TESSERA_UNINSTRUMENTED __attribute__((no_sanitize("address", "thread", "undefined")))

namespace tessera::simt {

struct Fiber {
#if TESSERA_SIMT_ASSEMBLY
  void* top = nullptr;  // of its stack, while it does not run
#else
  ucontext_t context{};
#endif
  char* stack = nullptr;
  size_t stack_bytes = 0;
  void* sanitizer = nullptr;  // AddressSanitizer's fake stack or ThreadSanitizer's context

  bool holds(const void* address) const { return address >= stack && address < stack + stack_bytes; }
};

// Gives a fibre a stack (kept if it has one), on which `entry` begins at the next switch to it. Fibres of different
// `colour` use different sets of the cache.
void prepare(Fiber& fiber, void (*entry)(), unsigned colour);

// Goes on in `to`; returns when somebody switches to `from`.
void switch_fibers(Fiber& from, Fiber& to);

// The first thing that `entry` calls: what AddressSanitizer says of the stack it came from goes to `host`.
void entered(Fiber& host);

// For ThreadSanitizer: the fibre that runs now, and what orders memory. Nothing elsewhere.
void adopt(Fiber& host);
void name_fiber(Fiber& fiber, const char* name);
void release(void* address);
void acquire(void* address);

}  // namespace tessera::simt
