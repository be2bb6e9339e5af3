// How a product is cut, by its sizes and the kernel alone. Only `block` and `slab` touch the order of a sum, and they
// are constants: neither other rows nor other columns change the bits of a result.
#pragma once

#include <cstdint>

#include "tensor/gemm/packed/kernels.h"

namespace tessera::products {

struct ProductPlan {
  int64_t rows, columns;  // of a chunk, which one thread computes; multiples of 16
  int64_t group;          // columns whose sums are finished together
  int64_t slab;           // positions of k for which the chunk's rows are packed at a time
  int64_t block;          // positions of k that one kernel call sums
};

ProductPlan plan_product(int64_t m, int64_t n, int64_t k, const Kernels& kernels);

}  // namespace tessera::products
