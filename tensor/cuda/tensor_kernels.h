// Entry points of the CUDA kernels for tensors as such: copies, elementwise ops, reductions. As in
// tensor/cuda/kernels.h, pointers are to the GPU's memory and nothing depends on the order in which threads run.
//
// Where strides are given (in elements, 0 where an array repeats) a pointer is that of the first
// element; other arrays are row-major. T is float, bf16 (computed in f32 and rounded once) or double.
#pragma once

#include <array>
#include <cstdint>

#include "tensor/dtype.h"
#include "tensor/shape.h"

namespace tessera::cuda {

// to = from, converted: f32, bf16, f64, i64 or u8 each. The two do not overlap (tensor/copy.cu).
void copy_strided(void* to, DType to_dtype, const Shape& to_strides, const void* from, DType from_dtype,
                  const Shape& from_strides, const Shape& shape);
void fill_strided(void* to, DType dtype, const Shape& strides, const Shape& shape, double value);

// y = f(x) (tensor/ops/elementwise_unary.cu). `scalar` is that of add_scalar and multiply_scalar.
enum class Unary : uint8_t { add_scalar, multiply_scalar, exp, log, sqrt, square, tanh, sigmoid, relu, gelu };
template <class T>
void unary(Unary f, const T* x, const Shape& x_strides, T* y, const Shape& shape, double scalar = 0);

// y = f(a, b) (tensor/ops/elementwise_binary.cu); of the gradients a is dy. y may be a or b if that is row-major.
enum class Binary : uint8_t {
  add, subtract, multiply, divide, negated_product,
  sqrt_backward, square_backward, tanh_backward, sigmoid_backward, relu_backward, gelu_backward
};
template <class T>
void binary(Binary f, const T* a, const Shape& a_strides, const T* b, const Shape& b_strides, T* y,
            const Shape& shape);

// Reductions of x [outer, middle, inner] over the middle go in passes: one pass makes [outer, chunks, inner] of it, and
// the next takes that for x, until there is one chunk. The number of chunks depends on the middle alone.
int64_t reduction_chunks(int64_t middle, int64_t inner);
// partial = sums (tensor/ops/accumulate.cu); T is float or double.
template <class T>
void sum_chunks(const T* x, T* partial, int64_t outer, int64_t middle, int64_t inner);
// value and index = the first of the largest (a NaN is larger than everything) and its place in the middle
// (tensor/ops/reduce.cu). `places` (as x) says which places x's elements had in the pass before; null in the first.
template <class T>
void max_chunks(const T* x, const int64_t* places, T* value, int64_t* index, int64_t outer, int64_t middle,
                int64_t inner);
// dx [outer, middle, inner], zeros before, = dy [outer, inner] at index [outer, inner].
template <class T>
void max_backward(const T* dy, const int64_t* index, T* dx, int64_t outer, int64_t middle, int64_t inner);

// levels, out [rows, 3, area]; T is float or bf16 (tensor/ops/normalise_patches.cu).
template <class T>
void normalise_patches(const uint8_t* levels, T* out, int64_t rows, int64_t area, const std::array<float, 3>& mean,
                       const std::array<float, 3>& std);

// Waits for the answer (tensor/ops/all_finite.cu).
template <class T>
bool all_finite(const T* x, int64_t count);

}  // namespace tessera::cuda
