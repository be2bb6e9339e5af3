// Sums, means, maxima: over all elements, or over one dimension, which is then dropped or kept as size 1. f32, f64 and
// bf16 (summed in f32, rounded once), any strides. A sum of nothing is 0; a mean or maximum of nothing is an error. The
// order of additions is fixed by the sizes alone; `dimension` may be negative.
#pragma once

#include "tensor/tensor.h"

namespace tessera::ops {

Tensor sum(const Tensor& x);
Tensor mean(const Tensor& x);
Tensor sum(const Tensor& x, int dimension, bool keep = false);
Tensor mean(const Tensor& x, int dimension, bool keep = false);

// The first of equal maxima counts; a NaN is larger than everything.
struct Maximum {
  Tensor value;
  Tensor index;  // i64, position along the dimension
};
Maximum max(const Tensor& x, int dimension, bool keep = false);
Tensor max(const Tensor& x);
Tensor argmax(const Tensor& x, int dimension, bool keep = false);
Tensor argmax(const Tensor& x);  // i64 scalar: row-major index

// Puts dy where the maxima were: dy and index without the dimension (or with it as size 1) → `shape`, else 0.
Tensor max_backward(const Tensor& dy, const Tensor& index, const Shape& shape, int dimension);

}  // namespace tessera::ops
