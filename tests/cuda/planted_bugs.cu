#include "tests/cuda/planted_bugs.h"

#include "tensor/cuda/warp.h"

namespace tessera::test {
namespace {

using namespace tessera::cuda;

constexpr int kThreads = 64;

struct PlantedShared {
  float part[kThreads];
  float sums[2];
  int positive;
};

template <Bug bug>
__device__ float sum_of_warp(float value, int lane) {
  if constexpr (bug == Bug::shuffle_in_branch) return lane < 20 ? warp_sum(value) : 0;
  if constexpr (bug == Bug::lane_not_in_its_mask) return __shfl_xor_sync(0xffffu, value, 1);
  if constexpr (bug == Bug::shuffle_from_absent_lane) return lane < 16 ? __shfl_sync(0xffffu, value, 20) : 0;
  return warp_sum(value);
}

template <Bug bug>
__device__ void meet(int t) {
  if constexpr (bug == Bug::no_barrier_after_write) return;
  if constexpr (bug == Bug::barrier_in_branch) {
    if (t < 40) __syncthreads();
  } else if constexpr (bug == Bug::different_barriers) {
    if (t < 40)
      __syncthreads();
    else
      __syncthreads();
  } else {
    __syncthreads();
  }
  if constexpr (bug == Bug::uneven_barriers)
    for (int i = 0; i < t / 32; ++i) __syncthreads();
}

template <Bug bug>
__global__ void planted_kernel(const float* x, float* out, int* positive, float* scratch, int n) {
  PlantedShared& shared = simt::block_shared<PlantedShared>();
  float* exchange = simt::dynamic_shared<float>();  // [kThreads]
  const int t = static_cast<int>(threadIdx.x), lane = lane_index(), i = static_cast<int>(blockIdx.x) * kThreads + t;
  if constexpr (bug == Bug::shuffle_after_return)
    if (i >= n) return;
  const bool inside = bug == Bug::reads_past_array ? i <= n : i < n;
  if (t == 0) shared.positive = 0;
  if (bug != Bug::unwritten_shared || inside) shared.part[t] = inside ? x[i] : 0.0f;
  meet<bug>(t);

  float mine = shared.part[kThreads - 1 - t + (bug == Bug::reads_past_static_shared && t == 0 ? 4 : 0)];
  if (mine > 0) {
    if constexpr (bug == Bug::plain_sum_in_block)
      ++shared.positive;
    else
      atomicAdd(&shared.positive, 1);
  }
  exchange[bug == Bug::writes_past_dynamic_shared ? t + 1 : t] = mine;
  if constexpr (bug != Bug::no_barrier_in_warp) __syncwarp();
  const float neighbour = exchange[t ^ 1];  // of the same warp
  const float half = sum_of_warp<bug>(neighbour, lane);
  if (lane == 0) shared.sums[t / 32] = half;
  __syncthreads();
  const float sum = shared.sums[0] + shared.sums[1];
  if constexpr (bug != Bug::no_barrier_before_next_write) __syncthreads();
  if (lane == 0) shared.sums[t / 32] = 0;

  if (bug == Bug::unwritten_global && n > 0) scratch[i] += 1;
  if constexpr (bug == Bug::misaligned_pack) {
    float pack[4];
    if (i == 0) load<4>(x + 1, pack);
    if (i == 0) mine += pack[2];
  }
  const int shift = bug == Bug::writes_past_array ? 1 : bug == Bug::writes_before_array ? -1 : 0;
  out[i + shift] = mine + sum;
  if (t == 0) {
    if constexpr (bug == Bug::plain_sum_between_blocks)
      *positive += shared.positive;
    else
      atomicAdd(positive, shared.positive);
  }
}

template <Bug bug>
void run(const float* x, float* out, int* positive, float* scratch, int n, int blocks) {
  const unsigned threads = bug == Bug::block_too_large ? 1025 : kThreads;
  simt::launch<planted_kernel<bug>>(static_cast<unsigned>(blocks), threads, kThreads * sizeof(float), x, out, positive,
                                    scratch, n);
}

}  // namespace

void run_planted(Bug bug, const float* x, float* out, int* positive, float* scratch, int n, int blocks) {
  switch (bug) {
#define TESSERA_CASE(name) \
  case Bug::name: return run<Bug::name>(x, out, positive, scratch, n, blocks);
    TESSERA_CASE(none)
    TESSERA_CASE(no_barrier_after_write)
    TESSERA_CASE(no_barrier_before_next_write)
    TESSERA_CASE(no_barrier_in_warp)
    TESSERA_CASE(plain_sum_in_block)
    TESSERA_CASE(plain_sum_between_blocks)
    TESSERA_CASE(reads_past_array)
    TESSERA_CASE(writes_past_array)
    TESSERA_CASE(writes_before_array)
    TESSERA_CASE(reads_past_static_shared)
    TESSERA_CASE(writes_past_dynamic_shared)
    TESSERA_CASE(misaligned_pack)
    TESSERA_CASE(unwritten_shared)
    TESSERA_CASE(unwritten_global)
    TESSERA_CASE(barrier_in_branch)
    TESSERA_CASE(different_barriers)
    TESSERA_CASE(uneven_barriers)
    TESSERA_CASE(shuffle_in_branch)
    TESSERA_CASE(shuffle_after_return)
    TESSERA_CASE(shuffle_from_absent_lane)
    TESSERA_CASE(lane_not_in_its_mask)
    TESSERA_CASE(block_too_large)
#undef TESSERA_CASE
  }
}

}  // namespace tessera::test
