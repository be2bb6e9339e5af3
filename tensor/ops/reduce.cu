// Maxima over the middle of [outer, middle, inner] on the GPU, in passes (tensor/ops/accumulate_kernels.h).
#include "tensor/activation.h"
#include "tensor/cuda/reduction.h"
#include "tensor/ops/accumulate_kernels.h"
#include "tensor/ops/reduce_kernels.h"

namespace tessera::cuda {
namespace {

// The best so far of a chunk, and where in the chunk it lies; -1: none yet.
template <class A>
struct Best {
  A value = 0;
  int place = -1;

  // Of equals and of NaNs the first, in whatever order they are offered.
  __device__ void offer(A other, int where) {
    if (where < 0) return;
    const bool other_beats = other > value || (other != other && value == value);
    const bool beaten = value > other || (value != value && other == other);
    if (place >= 0 && !other_beats && (beaten || place < where)) return;
    value = other;
    place = where;
  }
};

template <class T>
__device__ __forceinline__ Arithmetic<T> comparable(T value) {
  if constexpr (std::is_same_v<T, bf16>)
    return simt::to_float(value);
  else
    return value;
}

// x, places [outer, middle] → value, index [outer, chunks]: a warp for each chunk.
template <class T>
__global__ void __launch_bounds__(kReductionThreads)
    max_runs_kernel(const T* x, const int64_t* places, T* value, int64_t* index, int64_t outer, int64_t middle,
                    int64_t chunks) {
  const int64_t task = static_cast<int64_t>(blockIdx.x) * kReductionWarps + warp_index();
  if (task >= outer * chunks) return;
  const int64_t begin = task % chunks * kRunHeight, first = task / chunks * middle + begin;
  const int n = static_cast<int>(min(kRunHeight, middle - begin));
  Best<Arithmetic<T>> best;
  for (int i = lane_index(); i < n; i += 32) best.offer(comparable(x[first + i]), i);
  for (int bit = 16; bit > 0; bit /= 2) {
    const Arithmetic<T> other = __shfl_xor_sync(kAllLanes, best.value, bit);
    const int where = __shfl_xor_sync(kAllLanes, best.place, bit);
    best.offer(other, where);
  }
  if (lane_index() > 0) return;
  value[task] = x[first + best.place];
  index[task] = places != nullptr ? places[first + best.place] : begin + best.place;
}

template <class A>
struct MaxShared {
  A value[kReductionWarps][32];
  int place[kReductionWarps][32];
};

// x, places [outer, middle, inner] → value, index [outer, chunks, inner], cut as sums of columns are
// (tensor/ops/accumulate.cu).
template <class T>
__global__ void __launch_bounds__(kReductionThreads)
    max_columns_kernel(const T* x, const int64_t* places, T* value, int64_t* index, int64_t middle, int64_t inner,
                       int64_t chunks) {
  using A = Arithmetic<T>;
  MaxShared<A>& shared = simt::block_shared<MaxShared<A>>();
  const ColumnTask task(middle, inner, chunks);
  const int64_t first = (task.outer * middle + task.begin) * inner + task.column;
  Best<A> best;
  if (task.column < inner)
    for (int64_t m = warp_index(); m < task.end - task.begin; m += kReductionWarps)
      best.offer(comparable(x[first + m * inner]), static_cast<int>(m));
  shared.value[warp_index()][lane_index()] = best.value;
  shared.place[warp_index()][lane_index()] = best.place;
  __syncthreads();
  if (warp_index() > 0 || task.column >= inner) return;
  for (int w = 1; w < kReductionWarps; ++w) best.offer(shared.value[w][lane_index()], shared.place[w][lane_index()]);
  const int64_t from = first + best.place * inner, to = (task.outer * chunks + task.chunk) * inner + task.column;
  value[to] = x[from];
  index[to] = places != nullptr ? places[from] : task.begin + best.place;
}

constexpr int kScatterThreads = 128;

template <class T>
__global__ void __launch_bounds__(kScatterThreads)
    max_backward_kernel(const T* dy, const int64_t* index, T* dx, int64_t outer, int64_t middle, int64_t inner) {
  const int64_t at = static_cast<int64_t>(blockIdx.x) * kScatterThreads + threadIdx.x;
  if (at < outer * inner) dx[(at / inner * middle + index[at]) * inner + at % inner] = dy[at];
}

}  // namespace

template <class T>
void max_chunks(const T* x, const int64_t* places, T* value, int64_t* index, int64_t outer, int64_t middle,
                int64_t inner) {
  const int64_t chunks = reduction_chunks(middle, inner);
  if (inner == 1)
    simt::launch<max_runs_kernel<T>>(blocks_for(outer * chunks, kReductionWarps), kReductionThreads, 0, x, places,
                                     value, index, outer, middle, chunks);
  else
    simt::launch<max_columns_kernel<T>>(column_blocks(outer, chunks, inner), kReductionThreads, 0, x, places, value,
                                        index, middle, inner, chunks);
}

template <class T>
void max_backward(const T* dy, const int64_t* index, T* dx, int64_t outer, int64_t middle, int64_t inner) {
  simt::launch<max_backward_kernel<T>>(blocks_for(outer * inner, kScatterThreads), kScatterThreads, 0, dy, index, dx,
                                       outer, middle, inner);
}

template void max_chunks(const float*, const int64_t*, float*, int64_t*, int64_t, int64_t, int64_t);
template void max_chunks(const bf16*, const int64_t*, bf16*, int64_t*, int64_t, int64_t, int64_t);
template void max_chunks(const double*, const int64_t*, double*, int64_t*, int64_t, int64_t, int64_t);
template void max_backward(const float*, const int64_t*, float*, int64_t, int64_t, int64_t);
template void max_backward(const bf16*, const int64_t*, bf16*, int64_t, int64_t, int64_t);
template void max_backward(const double*, const int64_t*, double*, int64_t, int64_t, int64_t);

}  // namespace tessera::cuda
