// Small products in f32, formed in f64.
#pragma once

#include <cstdint>

#include "tensor/gemm/gemm.h"

namespace tessera::detail {

// A product that is not worth cutting is over in some 20 µs whatever is done, so it is done well: f32 operands are
// multiplied and added in f64, and the result is rounded once. Its error is then that of one rounding, where a sum of k
// f32 terms has some sqrt(k) of them. Larger products, those of real models, have the BLAS's f32 arithmetic.
bool worth_exactness(int64_t m, int64_t n, int64_t k);
void exact_product(const Gemm<float>& g);

}  // namespace tessera::detail
