// What sums of many terms by several blocks need (tensor/cuda/block_sums.h), for callers of such kernels.
#pragma once

#include <cstdint>

namespace tessera::cuda {

inline constexpr int kSumWarps = 8, kSumThreads = kSumWarps * 32;
inline constexpr int64_t kSumTerms = 16 * kSumThreads;  // of a block

// f64 elements of workspace for a sum of `count` terms: one for each block.
constexpr int64_t sum_workspace(int64_t count) { return (count + kSumTerms - 1) / kSumTerms; }

}  // namespace tessera::cuda
