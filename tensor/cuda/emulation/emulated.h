// CUDA's names for g++: what tensor/cuda/simt.h stands for where nvcc does not compile. Every CUDA thread is a fibre;
// fibres are switched at barriers and warp collectives (tensor/cuda/emulation/simt.cpp). A launch throws
// tessera::Error, with the kernel, the block, the threads, the file and the line, for
//
//   - a barrier or warp collective that not all threads reach, or reach at different places; a shuffle from a lane that
//     takes no part; a lane that is missing in its own mask;
//   - with TESSERA_SIMT_ACCESSES (tensor/cuda/emulation/accesses.h), at the first such access: reading or writing
//     outside of all arrays and of shared memory, or misaligned; reading what was never written; two threads on the
//     same memory, one of them writing, with no barrier between them.
//
// Under AddressSanitizer and ThreadSanitizer these do the second part's work; shared memory has red zones then. In any
// build, fresh memory is filled with NaN, and the order of threads and blocks is drawn from a number
// (tensor/cuda/emulation/order.h).
//
// Not emulated: clusters, graphs, inline PTX (but tensor/cuda/mma.h does what its own would: tensor cores, asynchronous
// copies), and several blocks at once (each runs to its end; what blocks do to each other's memory is seen all the
// same). Speed, occupancy and bank conflicts mean nothing here.
#pragma once

#include <atomic>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "tensor/cuda/recording.h"
#include "tensor/dtype.h"
#include "tensor/error.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)

struct uint3 {
  unsigned x, y, z;
};
struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned nx = 1, unsigned ny = 1, unsigned nz = 1) : x(nx), y(ny), z(nz) {}
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
constexpr uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

// A fibre's own index and sizes never change, which is what gnu::const promises.
namespace tessera::simt {
[[gnu::const]] uint3 thread_index();
[[gnu::const]] uint3 block_index();
[[gnu::const]] dim3 block_size();
[[gnu::const]] dim3 grid_size();
}  // namespace tessera::simt
#define threadIdx (::tessera::simt::thread_index())
#define blockIdx (::tessera::simt::block_index())
#define blockDim (::tessera::simt::block_size())
#define gridDim (::tessera::simt::grid_size())

template <class T>
constexpr T min(T a, T b) {
  return b < a ? b : a;
}
template <class T>
constexpr T max(T a, T b) {
  return a < b ? b : a;
}
using std::isfinite;
using std::isnan;
inline float __expf(float x) { return std::exp(x); }
inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
inline float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }
inline unsigned __umulhi(unsigned a, unsigned b) { return static_cast<unsigned>((uint64_t{a} * b) >> 32); }

namespace tessera::simt {

// Where a thread waits: threads that meet have to meet at one place.
struct Site {
  const char* what;
  const char* file;
  int line;
};
#define TESSERA_SIMT_SITE const char *file = __builtin_FILE(), int line = __builtin_LINE()

enum class Collective { sync, shuffle, ballot };
void block_barrier(Site site);
// Returns the value of lane `source` (shuffle) or the bits of all lanes' values (ballot).
uint64_t warp_collective(Collective collective, Site site, unsigned mask, uint64_t value, int source);
int lane();

template <class T>
T shuffle(Site site, unsigned mask, T value, int source) {
  static_assert(std::is_trivially_copyable_v<T> && (sizeof(T) == 4 || sizeof(T) == 8));
  using Bits = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
  const uint64_t bits = warp_collective(Collective::shuffle, site, mask, std::bit_cast<Bits>(value), source);
  return std::bit_cast<T>(static_cast<Bits>(bits));
}

void note_atomic(const void* address, size_t bytes);  // to the checker of accesses

// Threads are fibres of one OS thread: nothing comes between a read and its write. ThreadSanitizer has to see an
// atomic.
template <class T, class F>
__attribute__((no_sanitize("thread"))) T atomic_update(T* place, F update) {
#if defined(__SANITIZE_THREAD__) && !defined(TESSERA_SIMT_ACCESSES)
  T old = std::atomic_ref<T>(*place).load(std::memory_order_relaxed);
  while (!std::atomic_ref<T>(*place).compare_exchange_weak(old, update(old), std::memory_order_relaxed)) {
  }
#else
  note_atomic(place, sizeof(T));
  const T old = *place;
  *place = update(old);
#endif
  return old;
}

// Always inline: g++ does not instrument the store of a call's result where that is a struct, such as bf16.
#define TESSERA_ALWAYS_INLINE [[gnu::always_inline]] inline
TESSERA_ALWAYS_INLINE float to_float(float value) { return value; }
TESSERA_ALWAYS_INLINE float to_float(bf16 value) { return static_cast<float>(value); }
template <class T>
TESSERA_ALWAYS_INLINE T from_float(float value) {
  return static_cast<T>(value);
}

}  // namespace tessera::simt

template <class T>
T atomicAdd(T* place, std::type_identity_t<T> value) {
  return tessera::simt::atomic_update(place, [=](T old) { return static_cast<T>(old + value); });
}
template <class T>
T atomicMax(T* place, std::type_identity_t<T> value) {
  return tessera::simt::atomic_update(place, [=](T old) { return old < value ? value : old; });
}

inline void __syncthreads(TESSERA_SIMT_SITE) { tessera::simt::block_barrier({"__syncthreads", file, line}); }

inline void __syncwarp(unsigned mask = ~0u, TESSERA_SIMT_SITE) {
  tessera::simt::warp_collective(tessera::simt::Collective::sync, {"__syncwarp", file, line}, mask, 0, 0);
}

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32, TESSERA_SIMT_SITE) {
  const int base = tessera::simt::lane() & ~(width - 1);
  return tessera::simt::shuffle({"__shfl_sync", file, line}, mask, value, base + (source & (width - 1)));
}

template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32, TESSERA_SIMT_SITE) {
  const int lane = tessera::simt::lane(), other = lane ^ bits;
  const bool within = other < (lane & ~(width - 1)) + width;
  return tessera::simt::shuffle({"__shfl_xor_sync", file, line}, mask, value, within ? other : lane);
}

template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, TESSERA_SIMT_SITE) {
  const int lane = tessera::simt::lane(), other = lane + static_cast<int>(delta);
  const bool within = (lane & (width - 1)) + static_cast<int>(delta) < width;
  return tessera::simt::shuffle({"__shfl_down_sync", file, line}, mask, value, within ? other : lane);
}

inline unsigned __ballot_sync(unsigned mask, int predicate, TESSERA_SIMT_SITE) {
  return static_cast<unsigned>(tessera::simt::warp_collective(tessera::simt::Collective::ballot,
                                                              {"__ballot_sync", file, line}, mask, predicate != 0, 0));
}

namespace tessera::simt {

// Where a block_shared lies, for the running launch.
struct Slot {
  uint64_t launch = 0;
  void* address = nullptr;
};
void* static_shared_memory(Slot& slot, size_t bytes);
void* dynamic_shared_memory();

template <class T>
T& block_shared() {
  static_assert(std::is_class_v<T>, "name a block's shared memory in a struct of its own");
  static constinit thread_local Slot slot;
  return *static_cast<T*>(static_shared_memory(slot, sizeof(T)));
}

template <class T>
T* dynamic_shared() {
  return static_cast<T*>(dynamic_shared_memory());
}

struct Launch {
  const char* kernel;  // with much around its name
  dim3 grid, block;
  size_t shared_bytes;
  void (*body)(void*);  // runs the kernel for one thread
  void* arguments;
};
// One thread of the process at a time may launch kernels.
void run(const Launch& launch);
int64_t launches();  // so far

template <auto kernel, class... Arguments>
void launch_now(dim3 grid, dim3 block, size_t shared_bytes, Arguments... arguments) {
  auto body = [&]() __attribute__((no_sanitize("thread"))) { kernel(arguments...); };
  const auto call = [](void* f) __attribute__((no_sanitize("thread"))) { (*static_cast<decltype(body)*>(f))(); };
  run({__PRETTY_FUNCTION__, grid, block, shared_bytes, call, &body});
}

template <auto kernel, class... Arguments>
void launch(dim3 grid, dim3 block, size_t shared_bytes, Arguments... arguments) {
  if (cuda::recording())
    cuda::record_work([=] { launch_now<kernel>(grid, block, shared_bytes, arguments...); });
  else
    launch_now<kernel>(grid, block, shared_bytes, arguments...);
}

}  // namespace tessera::simt
