// A whole right operand into strips, on all threads.
#pragma once

#include "tensor/gemm/packed/pack.h"

namespace tessera::products {

// high (and low, which may be null) [strips_of(vectors)][padded_depth(depth)][16].
void pack_right(const Source& source, uint16_t* high, uint16_t* low);

}  // namespace tessera::products
