// Shared memory of the emulation: the running block's pieces lie one after the other in one arena, with room between
// them that belongs to nobody.
#include <sys/mman.h>

#include "tensor/cuda/emulation/accesses.h"
#include "tensor/cuda/emulation/executor.h"

#if TESSERA_SIMT_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace tessera::simt {
namespace {

constexpr size_t with_red_zone(size_t bytes) { return (bytes + 127) / 128 * 128 + 128; }

TESSERA_UNINSTRUMENTED void guard_shared([[maybe_unused]] void* address, [[maybe_unused]] size_t bytes) {
#if TESSERA_SIMT_ASAN
  ASAN_POISON_MEMORY_REGION(static_cast<char*>(address) + bytes, with_red_zone(bytes) - bytes);
#endif
}

}  // namespace

char* make_arena() {
  void* arena =
      mmap(nullptr, 2 * kMaxShared, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  check(arena != MAP_FAILED, "simt: no memory for shared memory");
  std::memset(arena, 0xff, 2 * kMaxShared);
  return static_cast<char*>(arena);
}

TESSERA_UNINSTRUMENTED void* take_shared(Executor& e, size_t bytes, const char* name) {
  char* address = e.arena + e.arena_used;
  e.arena_used += with_red_zone(bytes);
  if (e.arena_used > e.arena_dirty) e.arena_dirty = e.arena_used;
  add_shared_piece(address, bytes, name);
  return address;
}

// 0xff: NaN in every floating-point format, -1 in every integer.
TESSERA_UNINSTRUMENTED void poison_shared(Executor& e) {
#if TESSERA_SIMT_TSAN  // a new mapping forgets the accesses of the block before
  constexpr size_t kPage = 4096;
  if (e.arena_dirty > 0)
    mmap(e.arena, (e.arena_dirty + kPage - 1) / kPage * kPage, PROT_READ | PROT_WRITE,
         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
#endif
#if TESSERA_SIMT_ASAN
  ASAN_UNPOISON_MEMORY_REGION(e.arena, e.arena_dirty);
#endif
  for (size_t i = 0; i < e.arena_dirty; ++i) e.arena[i] = static_cast<char>(0xff);
}

TESSERA_UNINSTRUMENTED void* static_shared_memory(Slot& slot, size_t bytes) {
  Executor& e = *executor;
  if (slot.launch != e.launch_number) {
    here.in_kernel = false;
    slot.address = take_shared(e, bytes, "static shared memory");
    slot.launch = e.launch_number;
    if (e.arena_used > kMaxShared) give_up("more than 227 KiB of shared memory");
    here.in_kernel = e.checked;
  }
  guard_shared(slot.address, bytes);
  return slot.address;
}

TESSERA_UNINSTRUMENTED void* dynamic_shared_memory() {
  guard_shared(executor->dynamic, executor->launch->shared_bytes);
  return executor->dynamic;
}

}  // namespace tessera::simt
