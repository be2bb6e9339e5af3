// The threads of the emulation behind tensor/cuda/emulation/emulated.h: one fibre per CUDA thread, one block at a time.
//
// A fibre runs until it has to wait at a barrier or a warp collective; then another that is ready, drawn at random,
// goes on. The last to arrive releases the others. When nobody is ready and somebody still waits, the kernel has
// diverged.
#include <cstdlib>
#include <utility>

#include "tensor/cuda/emulation/accesses.h"
#include "tensor/cuda/emulation/executor.h"

namespace tessera::simt {
namespace {

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

}  // namespace

TESSERA_UNINSTRUMENTED void run_threads(Executor& e) { resume(e, e.host, draw(e)); }

TESSERA_UNINSTRUMENTED void fiber_main() {
  Executor& e = *executor;
  entered(e.host);
  for (;;) {  // one turn for each block
    const unsigned t = e.current;
    acquire(&e.begin);
    here.in_kernel = e.checked;
    e.launch->body(e.launch->arguments);
    here.in_kernel = false;
    release(&e.end);
    leave_block(e, t);
    run_others(e, e.threads[t]);
  }
}

[[noreturn]] TESSERA_UNINSTRUMENTED void give_up(std::string error, bool list_threads) {
  Executor& e = *executor;
  e.error = std::move(error);
  e.list_threads = list_threads;
  release(&e.end);
  switch_fibers(e.threads[e.current].fiber, e.host);
  std::abort();
}

TESSERA_UNINSTRUMENTED bool same_site(const Site& a, const Site& b) {
  return a.line == b.line && std::strcmp(a.what, b.what) == 0 && std::strcmp(a.file, b.file) == 0;
}

void note_atomic(const void* address, size_t bytes) {
  if (here.in_kernel) check_access(address, bytes, true, Access::atomic, __builtin_return_address(0));
}

TESSERA_UNINSTRUMENTED void block_barrier(Site site) {
  Executor& e = *executor;
  here.in_kernel = false;
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
  here.in_kernel = e.checked;
}

TESSERA_UNINSTRUMENTED uint64_t warp_collective(Collective collective, Site site, unsigned mask, uint64_t value,
                                                int source) {
  Executor& e = *executor;
  here.in_kernel = false;
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
  here.in_kernel = e.checked;
  return self.value;
}

}  // namespace tessera::simt
