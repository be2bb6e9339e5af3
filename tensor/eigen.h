// Tensors on the CPU as Eigen's matrices, vectors and arrays: maps of the same memory, nothing is copied. A map is
// valid as long as some handle on the tensor's memory is. A tensor of another dtype, of another number of dimensions or
// with gaps between elements is an error that names the map, the tensor and what was expected.
//
// For expressions that are plainer than their loops: readable references of kernels, arithmetic without sums. Not for
// kernels that sum: with its vectors Eigen's sums depend on the address of the data (four bit patterns for five
// alignments), where ours are a function of sizes alone, its small products reach 46-83 Gflop/s where ours reach 88-114
// (AVX-512), and its f32 exp overflows early. So it is compiled without them here (EIGEN_DONT_VECTORIZE). Compiling it
// takes a second and more: include this from a .cpp file, never from a header that many use. A program that includes it
// as an installed header finds Eigen itself (pkg-config eigen3).
#pragma once

#include <Eigen/Core>

#include <algorithm>
#include <type_traits>

#include "tensor/error.h"
#include "tensor/tensor.h"

namespace tessera {

template <class T>
using RowMajorMatrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
template <class T>
using ColumnVector = Eigen::Matrix<T, Eigen::Dynamic, 1>;
template <class T>
using ColumnArray = Eigen::Array<T, Eigen::Dynamic, 1>;

// Of a matrix or a const matrix, whose rows may lie apart.
template <class Matrix>
using RowsMap = Eigen::Map<Matrix, Eigen::Unaligned, Eigen::OuterStride<>>;

namespace eigen_detail {

template <class T>
void check_dtype(const char* map, const Tensor& x, const char* expected, bool fits) {
  static_assert(std::is_arithmetic_v<T>, "Eigen does not calculate in bf16: convert with to(DType::f32)");
  check(x.defined() && x.dtype() == dtype_of<T>::value && fits, map, ": got ", describe(x), ", expected ",
        dtype_of<T>::value, " ", expected);
}

// [rows, columns]; elements of a row side by side, rows in ascending order without overlap.
template <class T>
Eigen::OuterStride<> row_distance(const char* map, const Tensor& x) {
  check_dtype<T>(map, x, "[rows, columns]", x.dim() == 2);
  const int64_t rows = x.size(0), columns = x.size(1);
  check(x.numel() == 0 || ((columns == 1 || x.stride(1) == 1) && (rows == 1 || x.stride(0) >= columns)), map, ": ",
        describe(x), " has strides ", x.strides(), ", expected rows without gaps or overlap");
  return Eigen::OuterStride<>(std::max(x.stride(0), columns));
}

template <class T>
void check_elements(const char* map, const Tensor& x, const char* expected, bool fits) {
  check_dtype<T>(map, x, expected, fits);
  check(x.is_contiguous(), map, ": ", describe(x), " has strides ", x.strides(), ", expected contiguous memory");
}

}  // namespace eigen_detail

// [rows, columns], row-major. Rows may lie apart, as those of narrow(1, ...) do.
template <class T>
RowsMap<const RowMajorMatrix<T>> matrix_map(const Tensor& x) {
  const auto distance = eigen_detail::row_distance<T>("matrix_map", x);
  return {x.data<T>(), x.size(0), x.size(1), distance};
}
// The same to write to; like `mutable_data`, it counts as a modification.
template <class T>
RowsMap<RowMajorMatrix<T>> mutable_matrix_map(Tensor x) {
  const auto distance = eigen_detail::row_distance<T>("mutable_matrix_map", x);
  return {x.mutable_data<T>(), x.size(0), x.size(1), distance};
}

// [n], contiguous, as a column.
template <class T>
Eigen::Map<const ColumnVector<T>> vector_map(const Tensor& x) {
  eigen_detail::check_elements<T>("vector_map", x, "[n]", x.dim() == 1);
  return {x.data<T>(), x.numel()};
}
template <class T>
Eigen::Map<ColumnVector<T>> mutable_vector_map(Tensor x) {
  eigen_detail::check_elements<T>("mutable_vector_map", x, "[n]", x.dim() == 1);
  return {x.mutable_data<T>(), x.numel()};
}

// All elements of a contiguous tensor of any shape, row-major, for arithmetic element by element.
template <class T>
Eigen::Map<const ColumnArray<T>> array_map(const Tensor& x) {
  eigen_detail::check_elements<T>("array_map", x, "of any shape", true);
  return {x.data<T>(), x.numel()};
}
template <class T>
Eigen::Map<ColumnArray<T>> mutable_array_map(Tensor x) {
  eigen_detail::check_elements<T>("mutable_array_map", x, "of any shape", true);
  return {x.mutable_data<T>(), x.numel()};
}

}  // namespace tessera
