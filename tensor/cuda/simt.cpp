// The emulation behind tensor/cuda/emulated.h: one fibre per CUDA thread, one block at a time.
//
// A fibre runs until it has to wait at a barrier or a warp collective; then another that is ready, drawn at random,
// goes on. The last to arrive releases the others. When nobody is ready and somebody still waits, the kernel has
// diverged.
#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <utility>

#include "tensor/cuda/accesses.h"
#include "tensor/cuda/executor.h"
#include "tensor/cuda/order.h"

#if TESSERA_SIMT_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace tessera::simt {

uint64_t order = 1;
bool check_accesses = true;
bool accesses_are_checked() { return kAccessesChecked && check_accesses; }

namespace {

thread_local Executor* executor = nullptr;

// Lets thread `next` go on, which may be the one that asks.
TESSERA_UNINSTRUMENTED void resume(Executor& e, Fiber& from, unsigned next) {
  Thread& thread = e.threads[next];
  e.current = next;
  here.thread = static_cast<uint16_t>(next);
  here.known = e.warps[next / 32].known[next % 32];
  here.clock = here.known[next % 32];
  here.stack_begin = thread.fiber.stack;
  here.stack_end = thread.fiber.stack + thread.fiber.stack_bytes;
  if (&from != &thread.fiber) switch_fibers(from, thread.fiber);
}

TESSERA_UNINSTRUMENTED uint64_t next_random(Executor& e) {
  e.random ^= e.random << 13;
  e.random ^= e.random >> 7;
  e.random ^= e.random << 17;
  return e.random >> 32;
}

TESSERA_UNINSTRUMENTED unsigned draw(Executor& e) {
  const auto at = static_cast<unsigned>(next_random(e) * e.ready_count >> 32);
  const unsigned chosen = e.ready[at];
  e.ready[at] = e.ready[--e.ready_count];
  return chosen;
}

TESSERA_UNINSTRUMENTED void run_others(Executor& e, Thread& self) {  // until released
  if (e.ready_count > 0)
    resume(e, self.fiber, draw(e));
  else
    switch_fibers(self.fiber, e.host);
}

TESSERA_UNINSTRUMENTED void make_ready(Executor& e, unsigned t) {
  e.threads[t].state = State::ready;
  e.ready[e.ready_count++] = t;
}

TESSERA_UNINSTRUMENTED void release_block_if_complete(Executor& e) {
  if (e.live_count == 0 || e.barrier_count != e.live_count) return;
  const Site* first = nullptr;
  for (unsigned t = 0; t < e.thread_count; ++t) {
    if (e.threads[t].state != State::at_barrier) continue;
    if (!first) first = &e.threads[t].site;
    if (!same_site(*first, e.threads[t].site)) give_up("threads meet at different barriers", true);
  }
  for (unsigned t = 0; t < e.thread_count; ++t)
    if (e.threads[t].state == State::at_barrier) make_ready(e, t);
  e.barrier_count = 0;
  ++e.phase;
  ++here.epoch;
}

// Each lane of a __syncwarp knows afterwards what any of them knew before.
TESSERA_UNINSTRUMENTED void merge_clocks(Warp& warp, unsigned lanes) {
  uint32_t merged[32] = {};
  for (unsigned lane = 0; lane < 32; ++lane)
    for (unsigned other = 0; other < 32 && (lanes >> lane & 1); ++other)
      if (warp.known[lane][other] > merged[other]) merged[other] = warp.known[lane][other];
  for (unsigned lane = 0; lane < 32; ++lane) {
    if (!(lanes >> lane & 1)) continue;
    for (unsigned other = 0; other < 32; ++other) warp.known[lane][other] = merged[other];
    ++warp.known[lane][lane];
  }
}

TESSERA_UNINSTRUMENTED void release_warp_if_complete(Executor& e, unsigned w, unsigned mask) {
  Warp& warp = e.warps[w];
  const unsigned lanes = mask & warp.live;
  if (lanes == 0 || (lanes & ~warp.waiting) != 0) return;
  Thread* threads = e.threads + w * 32;
  const Thread& first = threads[std::countr_zero(lanes)];
  unsigned ballot = 0;
  for (unsigned lane = 0; lane < 32; ++lane) {
    if (!(lanes >> lane & 1)) continue;
    const Thread& t = threads[lane];
    if (t.mask != mask || !same_site(t.site, first.site))
      give_up("lanes of a warp meet at different collectives", true);
    if (t.collective == Collective::shuffle && !(lanes >> t.source & 1))
      give_up(text("lane ", lane, " shuffles from lane ", t.source, ", which takes no part"), true);
    ballot |= static_cast<unsigned>(t.value & 1) << lane;
  }
  uint64_t results[32];
  for (unsigned lane = 0; lane < 32; ++lane)
    if (lanes >> lane & 1)
      results[lane] = first.collective == Collective::ballot ? ballot : threads[threads[lane].source].value;
  if (first.collective == Collective::sync) merge_clocks(warp, lanes);
  for (unsigned lane = 0; lane < 32; ++lane) {
    if (!(lanes >> lane & 1)) continue;
    threads[lane].value = results[lane];
    make_ready(e, w * 32 + lane);
  }
  warp.waiting &= ~lanes;
  ++warp.phase;
}

TESSERA_UNINSTRUMENTED void leave_block(Executor& e, unsigned t) {
  e.threads[t].state = State::exited;
  --e.live_count;
  Warp& warp = e.warps[t / 32];
  warp.live &= ~(1u << t % 32);
  for (unsigned lane = 0; lane < 32; ++lane)
    if (warp.waiting >> lane & 1) release_warp_if_complete(e, t / 32, e.threads[t / 32 * 32 + lane].mask);
  release_block_if_complete(e);
}

TESSERA_UNINSTRUMENTED void fiber_main() {
  Executor& e = *executor;
  entered(e.host);
  for (;;) {  // one turn for each block
    const unsigned t = e.current;
    acquire(&e.begin);
    e.launch->body(e.launch->arguments);
    release(&e.end);
    leave_block(e, t);
    run_others(e, e.threads[t]);
  }
}

TESSERA_UNINSTRUMENTED void make_fibers(Executor& e, unsigned count) {
  for (; e.made_count < count; ++e.made_count)
    for (auto& set : e.sets) prepare(set[e.made_count].fiber, fiber_main, e.made_count);
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

constexpr size_t with_red_zone(size_t bytes) { return (bytes + 127) / 128 * 128 + 128; }

TESSERA_UNINSTRUMENTED void* take_shared(Executor& e, size_t bytes, const char* name) {
  char* address = e.arena + e.arena_used;
  e.arena_used += with_red_zone(bytes);
  if (e.arena_used > e.arena_dirty) e.arena_dirty = e.arena_used;
  add_shared_piece(address, bytes, name);
  return address;
}

TESSERA_UNINSTRUMENTED void guard_shared([[maybe_unused]] void* address, [[maybe_unused]] size_t bytes) {
#if TESSERA_SIMT_ASAN
  ASAN_POISON_MEMORY_REGION(static_cast<char*>(address) + bytes, with_red_zone(bytes) - bytes);
#endif
}

TESSERA_UNINSTRUMENTED void start_block(Executor& e, uint3 index) {
  e.block = index;
  poison_shared(e);
  e.set = (e.set + 1) % kSets;
  e.threads = e.sets[e.set];
  e.ready_count = e.barrier_count = 0;
  e.live_count = e.thread_count;
  for (Warp& warp : e.warps) {
    warp.live = warp.waiting = 0;
    for (unsigned lane = 0; lane < 32; ++lane)
      for (unsigned other = 0; other < 32; ++other) warp.known[lane][other] = lane == other;
  }
  const dim3 size = e.launch->block;
  for (unsigned t = 0; t < e.thread_count; ++t) {
    Thread& thread = e.threads[t];
    thread.index = {t % size.x, t / size.x % size.y, t / (size.x * size.y)};
    thread.mask = 0;
    e.warps[t / 32].live |= 1u << t % 32;
    make_ready(e, t);
#if TESSERA_SIMT_TSAN
    char name[64];
    std::snprintf(name, sizeof name, "block %u,%u,%u thread %u", index.x, index.y, index.z, t);
    name_fiber(thread.fiber, name);
#endif
  }
  ++here.block;
  here.epoch = 0;
  release(&e.begin);
}

TESSERA_UNINSTRUMENTED void run_block(Executor& e, uint3 index) {
  start_block(e, index);
  here.in_kernel = accesses_are_checked();
  resume(e, e.host, draw(e));
  here.in_kernel = false;
}

Executor& the_executor() {
  if (!executor) {
    executor = new Executor();
    void* arena =
        mmap(nullptr, 2 * kMaxShared, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    check(arena != MAP_FAILED, "simt: no memory for shared memory");
    executor->arena = static_cast<char*>(arena);
    std::memset(arena, 0xff, 2 * kMaxShared);
  }
  return *executor;
}

void check_sizes(const Launch& launch) {
  const dim3 grid = launch.grid, block = launch.block;
  const uint64_t threads = uint64_t{block.x} * block.y * block.z;
  check(threads > 0 && threads <= kMaxThreads && grid.x <= 0x7fffffffu && grid.y <= 65535 && grid.z <= 65535 &&
            launch.shared_bytes <= kMaxShared,
        "simt: no GPU takes a grid of ", grid.x, " x ", grid.y, " x ", grid.z, " blocks of ", block.x, " x ", block.y,
        " x ", block.z, " threads with ", launch.shared_bytes, " bytes of shared memory");
}

void begin_launch(Executor& e, const Launch& launch) {
  e.launch = &launch;
  e.thread_count = launch.block.x * launch.block.y * launch.block.z;
  e.random = (order + 1) * 0x9e3779b97f4a7c15u;
  ++e.launch_number;
  here.first_block = here.block + 1;
  begin_shared(e.arena, 2 * kMaxShared);
  e.arena_used = 0;
  e.dynamic = take_shared(e, launch.shared_bytes, "dynamic shared memory");
  e.error.clear();
  make_fibers(e, e.thread_count);
  adopt(e.host);
}

}  // namespace

[[noreturn]] TESSERA_UNINSTRUMENTED void give_up(std::string error, bool list_threads) {
  Executor& e = *executor;
  e.error = std::move(error);
  e.list_threads = list_threads;
  switch_fibers(e.threads[e.current].fiber, e.host);
  std::abort();
}

TESSERA_UNINSTRUMENTED bool same_site(const Site& a, const Site& b) {
  return a.line == b.line && std::strcmp(a.what, b.what) == 0 && std::strcmp(a.file, b.file) == 0;
}

TESSERA_UNINSTRUMENTED uint3 thread_index() { return executor->threads[executor->current].index; }
TESSERA_UNINSTRUMENTED uint3 block_index() { return executor->block; }
TESSERA_UNINSTRUMENTED dim3 block_size() { return executor->launch->block; }
TESSERA_UNINSTRUMENTED dim3 grid_size() { return executor->launch->grid; }
TESSERA_UNINSTRUMENTED int lane() { return static_cast<int>(executor->current % 32); }

void note_atomic(const void* address, size_t bytes) {
  if (here.in_kernel) check_access(address, bytes, true, Access::atomic, __builtin_return_address(0));
}

TESSERA_UNINSTRUMENTED void block_barrier(Site site) {
  Executor& e = *executor;
  Thread& self = e.threads[e.current];
  self.state = State::at_barrier;
  self.site = site;
  ++e.barrier_count;
  void* sync = &e.sync[e.set][e.phase & 1];
  release(sync);
  release(&e.end);  // in case the launch fails here
  release_block_if_complete(e);
  run_others(e, self);
  acquire(sync);
}

TESSERA_UNINSTRUMENTED uint64_t warp_collective(Collective collective, Site site, unsigned mask, uint64_t value,
                                                int source) {
  Executor& e = *executor;
  const unsigned t = e.current;
  Thread& self = e.threads[t];
  Warp& warp = e.warps[t / 32];
  self.state = State::at_collective;
  self.site = site;
  self.collective = collective;
  self.mask = mask;
  self.value = value;
  self.source = collective == Collective::shuffle ? source : static_cast<int>(t % 32);
  if (!(mask >> t % 32 & 1)) give_up(text("lane ", t % 32, " is not in the mask of its own collective"), true);
  warp.waiting |= 1u << t % 32;
  void* sync = &warp.sync[e.set][warp.phase & 1];
  if (collective == Collective::sync) release(sync);
  release(&e.end);
  release_warp_if_complete(e, t / 32, mask);
  run_others(e, self);
  if (collective == Collective::sync) acquire(sync);
  return self.value;
}

TESSERA_UNINSTRUMENTED void* static_shared_memory(Slot& slot, size_t bytes) {
  Executor& e = *executor;
  if (slot.launch != e.launch_number) {
    slot.address = take_shared(e, bytes, "static shared memory");
    slot.launch = e.launch_number;
    if (e.arena_used > kMaxShared) give_up("more than 227 KiB of shared memory");
  }
  guard_shared(slot.address, bytes);
  return slot.address;
}

TESSERA_UNINSTRUMENTED void* dynamic_shared_memory() {
  guard_shared(executor->dynamic, executor->launch->shared_bytes);
  return executor->dynamic;
}

int64_t launches() { return static_cast<int64_t>(the_executor().launch_number); }

void run(const Launch& launch) {
  const dim3 grid = launch.grid;
  const uint64_t blocks = uint64_t{grid.x} * grid.y * grid.z;
  if (blocks == 0) return;
  check_sizes(launch);
  Executor& e = the_executor();
  check(!e.in_block, "simt: a kernel launches a kernel");
  begin_launch(e, launch);
  e.in_block = true;
  // Every block once, in an order of steps that have no factor in common with their number.
  uint64_t step = next_random(e) % blocks + 1, at = next_random(e) % blocks;
  while (std::gcd(step, blocks) != 1) ++step;
  for (uint64_t i = 0; i < blocks; ++i, at = (at + step) % blocks) {
    run_block(e, {static_cast<unsigned>(at % grid.x), static_cast<unsigned>(at / grid.x % grid.y),
                  static_cast<unsigned>(at / (uint64_t{grid.x} * grid.y))});
    if (e.error.empty() && e.live_count == 0) continue;
    e.in_block = here.in_kernel = false;
    const std::string problem = e.error.empty() ? report(e, "threads wait for threads that never arrive", true)
                                                : report(e, e.error, e.list_threads);
    acquire(&e.end);
    e.made_count = 0;  // the suspended fibres are left where they are; the next launch begins anew
    fail(problem);
  }
  e.in_block = false;
  acquire(&e.end);
}

}  // namespace tessera::simt
