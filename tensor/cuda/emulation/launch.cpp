// A launch of the emulation: its blocks one after the other, in an order that is drawn.
#include <cstdio>
#include <numeric>

#include "tensor/cuda/emulation/accesses.h"
#include "tensor/cuda/emulation/executor.h"
#include "tensor/cuda/emulation/order.h"

namespace tessera::simt {

uint64_t order = 1;
bool check_accesses = true;
bool accesses_are_checked() { return kAccessesChecked && check_accesses; }

constinit thread_local Executor* executor = nullptr;

namespace {

TESSERA_UNINSTRUMENTED void make_fibers(Executor& e, unsigned count) {
  for (; e.made_count < count; ++e.made_count)
    for (auto& set : e.sets) prepare(set[e.made_count].fiber, fiber_main, e.made_count);
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
  e.checked = accesses_are_checked();
  run_threads(e);
}

Executor& the_executor() {
  if (!executor) {
    executor = new Executor();
    executor->arena = make_arena();
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
  std::string().swap(e.error);  // give_up's string would be left with its memory, in a fibre that never ends
  make_fibers(e, e.thread_count);
  adopt(e.host);
}

}  // namespace

TESSERA_UNINSTRUMENTED uint3 thread_index() { return executor->threads[executor->current].index; }
TESSERA_UNINSTRUMENTED uint3 block_index() { return executor->block; }
TESSERA_UNINSTRUMENTED dim3 block_size() { return executor->launch->block; }
TESSERA_UNINSTRUMENTED dim3 grid_size() { return executor->launch->grid; }
TESSERA_UNINSTRUMENTED int lane() { return static_cast<int>(executor->current % 32); }

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
    if (e.live_count == 0) continue;  // every thread has returned
    e.in_block = here.in_kernel = false;
    acquire(&e.end);
    const std::string problem = e.error.empty() ? report(e, "threads wait for threads that never arrive", true)
                                                : report(e, e.error, e.list_threads);
    e.made_count = 0;  // the suspended fibres are left where they are; the next launch begins anew
    fail(problem);
  }
  e.in_block = false;
  acquire(&e.end);
}

}  // namespace tessera::simt
