// The kernels of copies. Strides are in elements, 0 where an array repeats; a pointer is that of the first element.
#pragma once

#include "tensor/dtype.h"
#include "tensor/shape.h"

namespace tessera::cuda {

// to = from, converted: f32, bf16, f64, i64 or u8 each. The two do not overlap.
void copy_strided(void* to, DType to_dtype, const Shape& to_strides, const void* from, DType from_dtype,
                  const Shape& from_strides, const Shape& shape);
void fill_strided(void* to, DType dtype, const Shape& strides, const Shape& shape, double value);

}  // namespace tessera::cuda
