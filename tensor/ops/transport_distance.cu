// ops::transport_distance on the GPU: a block for each sample, sums in f64.
#include "tensor/cuda/warp.h"
#include "tensor/ops/transport_distance_kernels.h"

namespace tessera::cuda {
namespace {

constexpr int kDistanceWarps = 8, kDistanceThreads = kDistanceWarps * 32;

struct DistanceShared {
  BlockReduction<double, kDistanceWarps> total;
};

template <class T>
__global__ void __launch_bounds__(kDistanceThreads)
    transport_distance_kernel(const T* cost, const T* plan, const int64_t* offsets, T* distance) {
  const int64_t s = blockIdx.x, end = offsets[s + 1];
  double sum = 0;
  for (int64_t i = offsets[s] + threadIdx.x; i < end; i += kDistanceThreads)
    sum += static_cast<double>(cost[i]) * static_cast<double>(plan[i]);
  sum = simt::block_shared<DistanceShared>().total.sum(sum);
  if (threadIdx.x == 0) distance[s] = static_cast<T>(sum);
}

constexpr int kPiece = 4 * kDistanceThreads;

// Grid: samples, pieces of their matrices.
template <class T>
__global__ void __launch_bounds__(kDistanceThreads)
    transport_distance_backward_kernel(const T* ddistance, const T* plan, const int64_t* offsets, T* dcost) {
  const int64_t s = blockIdx.x, first = offsets[s] + static_cast<int64_t>(blockIdx.y) * kPiece;
  const int64_t end = min(first + kPiece, offsets[s + 1]);
  for (int64_t i = first + threadIdx.x; i < end; i += kDistanceThreads) dcost[i] = ddistance[s] * plan[i];
}

}  // namespace

template <class T>
void transport_distance(const T* cost, const T* plan, const int64_t* offsets, T* distance, int64_t samples) {
  simt::launch<transport_distance_kernel<T>>(static_cast<unsigned>(samples), kDistanceThreads, 0, cost, plan, offsets,
                                             distance);
}

template <class T>
void transport_distance_backward(const T* ddistance, const T* plan, const int64_t* offsets, T* dcost, int64_t samples,
                                 int64_t most_cells) {
  const dim3 grid(static_cast<unsigned>(samples), blocks_for(most_cells, kPiece));
  simt::launch<transport_distance_backward_kernel<T>>(grid, kDistanceThreads, 0, ddistance, plan, offsets, dcost);
}

template void transport_distance(const float*, const float*, const int64_t*, float*, int64_t);
template void transport_distance(const double*, const double*, const int64_t*, double*, int64_t);
template void transport_distance_backward(const float*, const float*, const int64_t*, float*, int64_t, int64_t);
template void transport_distance_backward(const double*, const double*, const int64_t*, double*, int64_t, int64_t);

}  // namespace tessera::cuda
