// ops::gru on the GPU: a thread for each element of the states of a step.
#include "tensor/cuda/scalar_math.h"
#include "tensor/cuda/warp.h"
#include "tensor/ops/gru_kernels.h"

namespace tessera::cuda {
namespace {

constexpr int kCellThreads = 128;

__global__ void __launch_bounds__(kCellThreads)
    gru_cell_kernel(float* gates, const float* products, float* hidden, const float* before, float* after,
                    int64_t count, int64_t h) {
  const int64_t at = static_cast<int64_t>(blockIdx.x) * kCellThreads + threadIdx.x;
  if (at >= count) return;
  const int64_t first = at / h * 3 * h + at % h;
  const float r = logistic(gates[first] + products[first]);
  const float z = logistic(gates[first + h] + products[first + h]);
  const float a = products[first + 2 * h];
  const float n = tanhf(gates[first + 2 * h] + r * a);
  hidden[at] = a;
  gates[first] = r;
  gates[first + h] = z;
  gates[first + 2 * h] = n;
  after[at] = n + z * (before[at] - n);
}

__global__ void __launch_bounds__(kCellThreads)
    gru_cell_backward_kernel(const float* d_after, float* carry, const float* product, int64_t carried,
                             const float* gates, const float* hidden, const float* before, float* d_gates,
                             float* d_products, int64_t count, int64_t h) {
  const int64_t at = static_cast<int64_t>(blockIdx.x) * kCellThreads + threadIdx.x;
  if (at >= count) return;
  const int64_t row = at / h, first = row * 3 * h + at % h;
  const float r = gates[first], z = gates[first + h], n = gates[first + 2 * h];
  const float dh = d_after[at] + carry[at] + (row < carried ? product[at] : 0.0f);
  const float dn = dh * (1 - z) * (1 - n * n), dz = dh * (before[at] - n) * z * (1 - z);
  const float dr = dn * hidden[at] * r * (1 - r);
  d_gates[first] = d_products[first] = dr;
  d_gates[first + h] = d_products[first + h] = dz;
  d_gates[first + 2 * h] = dn;
  d_products[first + 2 * h] = dn * r;
  carry[at] = dh * z;
}

}  // namespace

void gru_cell(float* gates, const float* products, float* hidden, const float* before, float* after, int64_t rows,
              int64_t h) {
  simt::launch<gru_cell_kernel>(blocks_for(rows * h, kCellThreads), kCellThreads, 0, gates, products, hidden, before,
                                after, rows * h, h);
}

void gru_cell_backward(const float* d_after, float* carry, const float* product, int64_t carried, const float* gates,
                       const float* hidden, const float* before, float* d_gates, float* d_products, int64_t rows,
                       int64_t h) {
  simt::launch<gru_cell_backward_kernel>(blocks_for(rows * h, kCellThreads), kCellThreads, 0, d_after, carry, product,
                                         carried, gates, hidden, before, d_gates, d_products, rows * h, h);
}

}  // namespace tessera::cuda
