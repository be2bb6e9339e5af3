// Sums over the middle of [outer, middle, inner] on the GPU, in passes (tensor/ops/accumulate_kernels.h).
#include <algorithm>

#include "tensor/cuda/reduction.h"
#include "tensor/ops/accumulate_kernels.h"

namespace tessera::cuda {
namespace {

// x [outer, middle] → partial [outer, chunks]: a warp for each chunk of kRunHeight.
template <class T>
__global__ void __launch_bounds__(kReductionThreads)
    sum_runs_kernel(const T* x, T* partial, int64_t outer, int64_t middle, int64_t chunks) {
  const int64_t task = static_cast<int64_t>(blockIdx.x) * kReductionWarps + warp_index();
  if (task >= outer * chunks) return;
  const int64_t o = task / chunks, begin = task % chunks * kRunHeight;
  const int n = static_cast<int>(min(kRunHeight, middle - begin));
  x += o * middle + begin;
  T sum = 0;
  for (int i = lane_index(); i < n; i += 32) sum += x[i];
  sum = warp_sum(sum);
  if (lane_index() == 0) partial[task] = sum;
}

template <class T>
struct AccumulateShared {
  T sum[kReductionWarps][32];
};

// x [outer, middle, inner] → partial [outer, chunks, inner]: a block for 32 columns of a chunk of kColumnHeight rows,
// of which each warp takes every kReductionWarps-th.
template <class T>
__global__ void __launch_bounds__(kReductionThreads)
    sum_columns_kernel(const T* x, T* partial, int64_t middle, int64_t inner, int64_t chunks) {
  AccumulateShared<T>& shared = simt::block_shared<AccumulateShared<T>>();
  const ColumnTask task(middle, inner, chunks);
  T sum = 0;
  if (task.column < inner)
    for (int64_t m = task.begin + warp_index(); m < task.end; m += kReductionWarps)
      sum += x[(task.outer * middle + m) * inner + task.column];
  shared.sum[warp_index()][lane_index()] = sum;
  __syncthreads();
  if (warp_index() > 0 || task.column >= inner) return;
  T total = 0;
  for (int w = 0; w < kReductionWarps; ++w) total += shared.sum[w][lane_index()];
  partial[(task.outer * chunks + task.chunk) * inner + task.column] = total;
}

}  // namespace

int64_t reduction_chunks(int64_t middle, int64_t inner) {
  const int64_t height = inner == 1 ? kRunHeight : kColumnHeight;
  return std::max<int64_t>(1, (middle + height - 1) / height);
}

template <class T>
void sum_chunks(const T* x, T* partial, int64_t outer, int64_t middle, int64_t inner) {
  const int64_t chunks = reduction_chunks(middle, inner);
  if (inner == 1)
    simt::launch<sum_runs_kernel<T>>(blocks_for(outer * chunks, kReductionWarps), kReductionThreads, 0, x, partial,
                                     outer, middle, chunks);
  else
    simt::launch<sum_columns_kernel<T>>(column_blocks(outer, chunks, inner), kReductionThreads, 0, x, partial, middle,
                                        inner, chunks);
}

template void sum_chunks(const float*, float*, int64_t, int64_t, int64_t);
template void sum_chunks(const double*, double*, int64_t, int64_t, int64_t);

}  // namespace tessera::cuda
