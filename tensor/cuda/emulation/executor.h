// The state of the emulation: one block's threads, its warps and its shared memory. launch.cpp runs the blocks of a
// launch, simt.cpp the threads of a block; shared_memory.cpp lays out its memory; report.cpp describes it. Plain arrays
// that only uninstrumented code touches, so that ThreadSanitizer sees the kernels' accesses and nothing else.
#pragma once

#include <string>

#include "tensor/cuda/emulation/emulated.h"
#include "tensor/cuda/emulation/fiber.h"

namespace tessera::simt {

inline constexpr unsigned kMaxThreads = 1024;
inline constexpr size_t kMaxShared = 227 * 1024;  // of a block, on sm_90

// ThreadSanitizer takes what one fibre does for ordered: neighbouring blocks run on different fibres.
#if TESSERA_SIMT_TSAN
inline constexpr unsigned kSets = 2;
#else
inline constexpr unsigned kSets = 1;
#endif

enum class State { ready, at_barrier, at_collective, exited };

struct Thread {
  Fiber fiber;
  State state = State::exited;
  uint3 index{};
  Site site{};
  Collective collective{};
  unsigned mask = 0;
  int source = 0;
  uint64_t value = 0;
};

struct Warp {
  unsigned live = 0, waiting = 0;  // bits of lanes
  unsigned phase = 0;
  uint32_t known[32][32] = {};  // [lane][other lane]: vector clocks, the lane's own on the diagonal
  char sync[kSets][2] = {};     // addresses for ThreadSanitizer
};

struct Executor {
  Fiber host;
  Thread sets[kSets][kMaxThreads];
  Thread* threads = sets[0];  // of the running block
  unsigned set = 0;
  Warp warps[kMaxThreads / 32];
  unsigned ready[kMaxThreads];
  unsigned ready_count = 0, live_count = 0, thread_count = 0, made_count = 0, barrier_count = 0;
  unsigned current = 0;
  uint3 block{};
  bool in_block = false;
  bool checked = false;  // accesses of the running block
  const Launch* launch = nullptr;
  std::string error;  // of a thread that gave up
  bool list_threads = false;
  uint64_t launch_number = 0, random = 0;
  char* arena = nullptr;  // shared memory of the running block
  size_t arena_used = 0, arena_dirty = 0;
  void* dynamic = nullptr;
  unsigned phase = 0;
  char sync[kSets][2] = {}, begin = 0, end = 0;  // addresses for ThreadSanitizer
};

extern constinit thread_local Executor* executor;  // launch.cpp

TESSERA_UNINSTRUMENTED inline uint64_t next_random(Executor& e) {
  e.random ^= e.random << 13;
  e.random ^= e.random >> 7;
  e.random ^= e.random << 17;
  return e.random >> 32;
}

TESSERA_UNINSTRUMENTED inline void make_ready(Executor& e, unsigned t) {
  e.threads[t].state = State::ready;
  e.ready[e.ready_count++] = t;
}

// simt.cpp: the block's threads, all of which are ready, until none can go on.
void run_threads(Executor& e);
void fiber_main();  // of every thread

// shared_memory.cpp
char* make_arena();
void* take_shared(Executor& e, size_t bytes, const char* name);  // a piece for the running launch
void poison_shared(Executor& e);                                 // for the next block

// Ends the launch, from within a thread; the report lists the others that wait if that is what it is about.
[[noreturn]] void give_up(std::string error, bool list_threads = false);

bool same_site(const Site& a, const Site& b);

// The kernel, the block, the problem, and which threads wait where.
std::string report(const Executor& e, const std::string& problem, bool list_threads);

}  // namespace tessera::simt
