// Sums of many terms in f64: every block adds its own part, then one block adds the parts, so that the order depends on
// their number alone. Include from .cu files.
#pragma once

#include "tensor/cuda/sum_workspace.h"
#include "tensor/cuda/warp.h"

namespace tessera::cuda {

struct SumShared {
  BlockReduction<double, kSumWarps> total;
};

// partial[block] = Σ term(i) over the block's i below count.
template <class Term>
__global__ void __launch_bounds__(kSumThreads) partial_sums_kernel(Term term, int64_t count, double* partial) {
  const int64_t first = static_cast<int64_t>(blockIdx.x) * kSumTerms, end = min(first + kSumTerms, count);
  double sum = 0;
  for (int64_t i = first + threadIdx.x; i < end; i += kSumThreads) sum += term(i);
  sum = simt::block_shared<SumShared>().total.sum(sum);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

// One block: *out = Σ partial · factor.
template <class Out>
__global__ void __launch_bounds__(kSumThreads)
    add_partial_sums_kernel(const double* partial, int64_t count, double factor, Out* out) {
  double sum = 0;
  for (int64_t i = threadIdx.x; i < count; i += kSumThreads) sum += partial[i];
  sum = simt::block_shared<SumShared>().total.sum(sum);
  if (threadIdx.x == 0) *out = static_cast<Out>(sum * factor);
}

template <class Out>
void add_partial_sums(const double* partial, int64_t count, double factor, Out* out) {
  simt::launch<add_partial_sums_kernel<Out>>(1, kSumThreads, 0, partial, count, factor, out);
}

// workspace [sum_workspace(count)].
template <class Term, class Out>
void sum_of_terms(Term term, int64_t count, double factor, Out* out, double* workspace) {
  const unsigned blocks = blocks_for(count, kSumTerms);
  simt::launch<partial_sums_kernel<Term>>(blocks, kSumThreads, 0, term, count, workspace);
  add_partial_sums(workspace, int64_t{blocks}, factor, out);
}

}  // namespace tessera::cuda
