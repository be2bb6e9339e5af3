// ops::softmax on the GPU: one block for each row.
#include "tensor/cuda/warp.h"
#include "tensor/ops/softmax_kernels.h"

namespace tessera::cuda {
namespace {

constexpr int kSoftmaxWarps = 4, kSoftmaxThreads = kSoftmaxWarps * 32;

struct SoftmaxShared {
  BlockReduction<float, kSoftmaxWarps> most, sum;
};

// x, y [rows, n]; y may be x.
template <class T>
__global__ void __launch_bounds__(kSoftmaxThreads) softmax_kernel(const T* x, T* y, int n) {
  SoftmaxShared& shared = simt::block_shared<SoftmaxShared>();
  x += static_cast<int64_t>(blockIdx.x) * n;
  y += static_cast<int64_t>(blockIdx.x) * n;
  const int t = static_cast<int>(threadIdx.x);
  float most = -INFINITY;
  for (int i = t; i < n; i += kSoftmaxThreads) most = fmaxf(most, simt::to_float(x[i]));
  most = shared.most.max(most);
  float sum = 0;
  for (int i = t; i < n; i += kSoftmaxThreads) sum += expf(simt::to_float(x[i]) - most);
  const float scale = 1.0f / shared.sum.sum(sum);
  for (int i = t; i < n; i += kSoftmaxThreads) y[i] = simt::from_float<T>(expf(simt::to_float(x[i]) - most) * scale);
}

// As softmax_kernel of the elements that the mask includes; 0 for the others.
template <class T>
__global__ void __launch_bounds__(kSoftmaxThreads)
    masked_softmax_kernel(const T* x, const int64_t* mask, MaskLayout layout, T* y, int n) {
  SoftmaxShared& shared = simt::block_shared<SoftmaxShared>();
  x += static_cast<int64_t>(blockIdx.x) * n;
  y += static_cast<int64_t>(blockIdx.x) * n;
  int64_t row = blockIdx.x;
  for (int d = layout.dims - 1; d >= 0; --d) {
    mask += row % layout.sizes[d] * layout.strides[d];
    row /= layout.sizes[d];
  }
  const auto value = [&](int i) { return mask[i * layout.step] != 0 ? simt::to_float(x[i]) : -INFINITY; };
  const int t = static_cast<int>(threadIdx.x);
  float most = -INFINITY, included = 0;
  for (int i = t; i < n; i += kSoftmaxThreads) {
    most = fmaxf(most, value(i));
    if (mask[i * layout.step] != 0) included = 1;
  }
  most = shared.most.max(most);
  if (shared.sum.sum(included) == 0) {
    for (int i = t; i < n; i += kSoftmaxThreads) y[i] = simt::from_float<T>(0.0f);
    return;
  }
  float sum = 0;
  for (int i = t; i < n; i += kSoftmaxThreads) sum += expf(value(i) - most);
  const float scale = 1.0f / shared.sum.sum(sum);
  for (int i = t; i < n; i += kSoftmaxThreads) y[i] = simt::from_float<T>(expf(value(i) - most) * scale);
}

template <class T>
__global__ void __launch_bounds__(kSoftmaxThreads) softmax_backward_kernel(const T* dy, const T* y, T* dx, int n) {
  SoftmaxShared& shared = simt::block_shared<SoftmaxShared>();
  const int64_t first = static_cast<int64_t>(blockIdx.x) * n;
  const int t = static_cast<int>(threadIdx.x);
  float inner = 0;
  for (int i = t; i < n; i += kSoftmaxThreads) inner += simt::to_float(dy[first + i]) * simt::to_float(y[first + i]);
  inner = shared.sum.sum(inner);
  for (int i = t; i < n; i += kSoftmaxThreads)
    dx[first + i] = simt::from_float<T>(simt::to_float(y[first + i]) * (simt::to_float(dy[first + i]) - inner));
}

}  // namespace

template <class T>
void softmax(const T* x, T* y, int64_t rows, int64_t n) {
  simt::launch<softmax_kernel<T>>(static_cast<unsigned>(rows), kSoftmaxThreads, 0, x, y, static_cast<int>(n));
}

template <class T>
void masked_softmax(const T* x, const int64_t* mask, const MaskLayout& layout, T* y, int64_t rows, int64_t n) {
  simt::launch<masked_softmax_kernel<T>>(static_cast<unsigned>(rows), kSoftmaxThreads, 0, x, mask, layout, y,
                                         static_cast<int>(n));
}

template <class T>
void softmax_backward(const T* dy, const T* y, T* dx, int64_t rows, int64_t n) {
  simt::launch<softmax_backward_kernel<T>>(static_cast<unsigned>(rows), kSoftmaxThreads, 0, dy, y, dx,
                                           static_cast<int>(n));
}

template void softmax(const float*, float*, int64_t, int64_t);
template void softmax(const bf16*, bf16*, int64_t, int64_t);
template void masked_softmax(const float*, const int64_t*, const MaskLayout&, float*, int64_t, int64_t);
template void masked_softmax(const bf16*, const int64_t*, const MaskLayout&, bf16*, int64_t, int64_t);
template void softmax_backward(const float*, const float*, float*, int64_t, int64_t);
template void softmax_backward(const bf16*, const bf16*, bf16*, int64_t, int64_t);

}  // namespace tessera::cuda
