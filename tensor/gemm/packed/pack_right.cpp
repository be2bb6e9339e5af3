#include "tensor/gemm/packed/pack_right.h"

#include <algorithm>

#include "tensor/gemm/packed/kernel_choice.h"
#include "tensor/parallel.h"

namespace tessera::products {

// A chunk is some strips over some depth: of 64 × 256 elements, 16 thousand. Where positions lie across, the 64 vectors
// are two cache lines of each row.
void pack_right(const Source& source, uint16_t* high, uint16_t* low) {
  constexpr int64_t kStrips = 4, kDepth = 256;
  const Kernels& used = kernels();
  const int64_t strips = strips_of(source.vectors), padded = padded_depth(source.depth);
  const int64_t depths = (padded + kDepth - 1) / kDepth, groups = (strips + kStrips - 1) / kStrips;
  parallel_chunks(groups * depths, [&](int64_t chunk) {
    const int64_t begin = chunk % depths * kDepth, end = std::min(source.depth, begin + kDepth);
    const int64_t first = chunk / depths * kStrips, last = std::min(strips, first + kStrips);
    const int64_t at = (first * padded + begin) * kStrip;
    pack_strips(used, LeftLayout::pairs, source, {first, last}, begin, end,
                {high + at, low ? low + at : nullptr, padded * kStrip * static_cast<int64_t>(sizeof(uint16_t))});
  });
}

}  // namespace tessera::products
