// Packing: an operand in memory → strips (see kernels.h for their form).
#pragma once

#include <cstdint>

#include "tensor/gemm/packed/kernels.h"

namespace tessera::products {

// A set of `vectors` vectors of length `depth`: the rows of A or the columns of B. Element (vector, position) lies at
// vector · stride + position, or, if `across`, at position · stride + vector.
struct Source {
  const void* data = nullptr;
  bool is_f32 = false;  // else bf16
  int64_t vectors = 0, depth = 0, stride = 0;
  bool across = false;
};

inline int64_t strips_of(int64_t vectors) { return (vectors + kStrip - 1) / kStrip; }
inline int64_t padded_depth(int64_t depth) { return (depth + kDepthUnit - 1) / kDepthUnit * kDepthUnit; }

struct StripRange {
  int64_t first, last;
};

// Where the first of the strips goes, and the bytes from strip to strip. With `low`, an f32 source is split in two;
// without, it is rounded. A `rows` or `pairs` strip is bf16, a `wide` one f32: 16 elements for each position of the
// padded depth.
struct PackedPlace {
  void* high;
  void* low;  // null if there are no low parts
  int64_t stride;
};

// Packs positions [begin, end) of some strips; begin is a multiple of 32. Zeros fill the last strip up to 16 vectors
// and the last block up to 32 positions.
void pack_strips(const Kernels& kernels, LeftLayout layout, const Source& source, const StripRange& strips,
                 int64_t begin, int64_t end, PackedPlace to);

}  // namespace tessera::products
