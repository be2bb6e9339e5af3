// ops::global_norm on the GPU, before the root.
#include "tensor/cuda/block_sums.h"
#include "tensor/ops/global_norm_kernels.h"

namespace tessera::cuda {
namespace {

// Σ of the squares of elements n · i .. n · i + n - 1.
template <int n>
struct Squares {
  const float* x;

  __device__ double operator()(int64_t i) const {
    float v[n];
    load<n>(x + i * n, v);
    double sum = 0;
    for (int j = 0; j < n; ++j) sum += static_cast<double>(v[j]) * static_cast<double>(v[j]);
    return sum;
  }
};

}  // namespace

void global_norm_squared(const float* x, int64_t n, double* out, double* workspace) {
  with_pack_size<float>(packs_fit<float>(n, x), [&](auto size) {
    constexpr int kAtOnce = decltype(size)::value;
    sum_of_terms(Squares<kAtOnce>{x}, n / kAtOnce, 1, out, workspace);
  });
}

}  // namespace tessera::cuda
