#include "tensor/eigen.h"

#include <doctest/doctest.h>

#include <array>
#include <numeric>
#include <vector>

namespace tessera::eigen_test {

namespace {

// 0, 1, 2, ... in row-major order.
template <class T>
Tensor counted(const Shape& shape) {
  std::vector<T> values(static_cast<size_t>(shape.numel()));
  std::iota(values.begin(), values.end(), T{0});
  return Tensor::from(values, shape);
}

}  // namespace

TEST_CASE_TEMPLATE("eigen: maps see the tensor's elements where they lie", T, float, double, int64_t, uint8_t) {
  const std::vector<std::array<int64_t, 2>> sizes{{7, 5}, {1, 1}, {1, 9}, {9, 1}, {0, 4}, {4, 0}};
  for (const auto& [rows, columns] : sizes) {
    CAPTURE(rows);
    CAPTURE(columns);
    const Tensor x = counted<T>({rows, columns});
    const auto matrix = matrix_map<T>(x);
    REQUIRE(matrix.rows() == rows);
    REQUIRE(matrix.cols() == columns);
    CHECK(matrix.data() == x.data<T>());
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < columns; ++j) CHECK(matrix(i, j) == static_cast<T>(i * columns + j));
    const auto vector = vector_map<T>(x.view({x.numel()}));
    const auto array = array_map<T>(x);
    REQUIRE(vector.size() == x.numel());
    REQUIRE(array.size() == x.numel());
    for (int64_t i = 0; i < x.numel(); ++i) {
      CHECK(vector(i) == static_cast<T>(i));
      CHECK(array(i) == static_cast<T>(i));
    }
  }
  CHECK(array_map<T>(counted<T>({})).size() == 1);
  CHECK(array_map<T>(counted<T>({2, 3, 4}))(23) == 23);
}

TEST_CASE("eigen: a view's rows may lie apart, and start anywhere") {
  const Tensor x = counted<float>({4, 6}), view = x.narrow(1, 2, 3).narrow(0, 1, 3);
  const auto matrix = matrix_map<float>(view);
  CHECK(matrix(0, 0) == 8);
  CHECK(matrix(2, 1) == 21);
  CHECK(matrix(1, 2) == 16);
  CHECK(matrix_map<float>(x.narrow(0, 1, 1).expand({1, 6}))(0, 5) == 11);
  CHECK(matrix_map<float>(x.narrow(1, 1, 1))(3, 0) == 19);
  CHECK(vector_map<float>(x.select(0, 2))(5) == 17);
  CHECK(matrix_map<float>(x.narrow(1, 0, 0).transpose(0, 1)).rows() == 0);  // no elements, so nothing is out of place
}

TEST_CASE("eigen: expressions on maps are written into the tensor, which counts as a modification") {
  Tensor y = Tensor::zeros({3, 2}, DType::f64);
  const Tensor a = counted<double>({3, 4}), b = counted<double>({4, 2});
  CHECK(y.version() == 0);
  mutable_matrix_map<double>(y) = matrix_map<double>(a).lazyProduct(matrix_map<double>(b));
  CHECK(y.version() == 1);
  CHECK(y.to_vector<double>() == std::vector<double>{28, 34, 76, 98, 124, 162});
  mutable_array_map<double>(y) -= 20;
  CHECK(y.version() == 2);
  mutable_vector_map<double>(y.select(0, 0)).setConstant(3);
  CHECK(y.version() == 3);
  mutable_matrix_map<double>(y.narrow(1, 1, 1)).setZero();
  CHECK(y.version() == 4);
  CHECK(y.to_vector<double>() == std::vector<double>{3, 0, 56, 0, 104, 0});
  matrix_map<double>(y);
  vector_map<double>(y.select(0, 0));
  array_map<double>(y);
  CHECK(y.version() == 4);
}

TEST_CASE("eigen: what does not fit is an error, and no modification") {
  const Tensor x = counted<float>({2, 3});
  CHECK_THROWS_WITH_AS(matrix_map<double>(x), "matrix_map: got f32 [2, 3], expected f64 [rows, columns]", Error);
  CHECK_THROWS_WITH_AS(matrix_map<float>(x.view({6})), "matrix_map: got f32 [6], expected f32 [rows, columns]", Error);
  CHECK_THROWS_WITH_AS(matrix_map<float>(Tensor()), "matrix_map: got undefined, expected f32 [rows, columns]", Error);
  CHECK_THROWS_WITH_AS(matrix_map<float>(x.to(DType::bf16)),
                       "matrix_map: got bf16 [2, 3], expected f32 [rows, columns]", Error);
  CHECK_THROWS_WITH_AS(matrix_map<float>(x.transpose(0, 1)),
                       "matrix_map: f32 [3, 2] has strides [1, 3], expected rows without gaps or overlap", Error);
  CHECK_THROWS_WITH_AS(matrix_map<float>(x.narrow(0, 0, 1).expand({4, 3})),
                       "matrix_map: f32 [4, 3] has strides [0, 1], expected rows without gaps or overlap", Error);
  CHECK_THROWS_WITH_AS(vector_map<int64_t>(x.select(0, 0)), "vector_map: got f32 [3], expected i64 [n]", Error);
  CHECK_THROWS_WITH_AS(vector_map<float>(x), "vector_map: got f32 [2, 3], expected f32 [n]", Error);
  CHECK_THROWS_WITH_AS(vector_map<float>(x.select(1, 0)),
                       "vector_map: f32 [2] has strides [3], expected contiguous memory", Error);
  CHECK_THROWS_WITH_AS(array_map<double>(x), "array_map: got f32 [2, 3], expected f64 of any shape", Error);
  CHECK_THROWS_WITH_AS(array_map<float>(x.narrow(1, 0, 2)),
                       "array_map: f32 [2, 2] has strides [3, 1], expected contiguous memory", Error);
  CHECK_THROWS_WITH_AS(mutable_matrix_map<double>(x),
                       "mutable_matrix_map: got f32 [2, 3], expected f64 [rows, columns]", Error);
  CHECK_THROWS_WITH_AS(mutable_vector_map<float>(x.select(1, 0)),
                       "mutable_vector_map: f32 [2] has strides [3], expected contiguous memory", Error);
  CHECK_THROWS_WITH_AS(mutable_array_map<float>(x.transpose(0, 1)),
                       "mutable_array_map: f32 [3, 2] has strides [1, 3], expected contiguous memory", Error);
  CHECK(x.version() == 0);
}

}  // namespace tessera::eigen_test
