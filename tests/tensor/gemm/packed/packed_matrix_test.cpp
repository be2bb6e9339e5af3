#include "tensor/gemm/packed/packed_matrix.h"

#include <doctest/doctest.h>

#include <vector>

#include "tensor/error.h"
#include "tests/tensor/gemm/packed/every_kernel.h"

namespace tessera::packed_matrix_test {

namespace {

// [rows, columns], every element different, all of them exact in bf16 and f32.
Tensor counted(int64_t rows, int64_t columns, DType dtype) {
  Tensor t = Tensor::empty({rows, columns}, DType::f32);
  float* data = t.mutable_data<float>();
  for (int64_t i = 0; i < rows * columns; ++i) data[i] = static_cast<float>((i % 251 - 125) * (i % 2 ? 1 : 64));
  return t.to(dtype);
}

float value_at(const PackedMatrix& packed, int64_t at) {
  bf16 value;
  value.bits = packed.data()[at];
  return static_cast<float>(value);
}

}  // namespace

TEST_CASE("PackedMatrix: every element in its place, zeros in the padding") {
  with_every_instruction_set([] {
    for (const auto& [rows, columns] :
         std::vector<std::array<int64_t, 2>>{{1, 1}, {37, 50}, {64, 48}, {300, 17}, {3, 0}})
      for (const DType dtype : {DType::bf16, DType::f32})
        for (const bool transpose : {false, true}) {
          CAPTURE(rows);
          CAPTURE(columns);
          CAPTURE(transpose);
          const Tensor matrix = counted(rows, columns, dtype);
          const std::vector<float> expected = matrix.to(DType::f32).to_vector<float>();
          PackedMatrix packed;
          packed.refresh(matrix, transpose);
          CHECK(packed.k() == (transpose ? columns : rows));
          std::vector<float> place(static_cast<size_t>(packed.bytes() / 2), 0.0f);
          for (int64_t l = 0; l < packed.k(); ++l)
            for (int64_t j = 0; j < packed.n(); ++j)
              place[static_cast<size_t>(packed.element(l, j))] =
                  expected[static_cast<size_t>(transpose ? j * columns + l : l * columns + j)];
          int64_t wrong = 0;
          for (size_t i = 0; i < place.size(); ++i) wrong += value_at(packed, static_cast<int64_t>(i)) != place[i];
          CHECK(wrong == 0);
        }
  });
}

TEST_CASE("PackedMatrix: views are read with their own row distance, which is 0 where one row is all of them") {
  const Tensor matrix = counted(40, 50, DType::bf16);
  for (const Tensor& view : {matrix.narrow(0, 3, 33).narrow(1, 7, 34), matrix.narrow(0, 3, 1).expand({33, 50})}) {
    PackedMatrix of_view, of_copy;
    of_view.refresh(view, true);
    of_copy.refresh(view.contiguous(), true);
    REQUIRE(of_view.bytes() == of_copy.bytes());
    CHECK(std::equal(of_view.data(), of_view.data() + of_view.bytes() / 2, of_copy.data()));
  }
}

TEST_CASE("PackedMatrix: packs again only after the matrix has changed") {
  Tensor matrix = counted(20, 30, DType::f32);
  PackedMatrix packed;
  CHECK(packed.refresh(matrix, true));
  CHECK_FALSE(packed.refresh(matrix, true));
  CHECK(packed.version() == matrix.version());
  matrix.mutable_data<float>()[31] = 7;
  CHECK(packed.refresh(matrix, true));
  CHECK(value_at(packed, packed.element(1, 1)) == 7);
  CHECK(packed.refresh(matrix, false));
  CHECK(packed.refresh(matrix, false, PackedForm::split));
  const Tensor other = matrix.clone();
  CHECK(packed.refresh(other, false, PackedForm::split));
}

// What an optimiser does that writes packed weights as it goes.
TEST_CASE("PackedMatrix: elements written one by one equal a packed matrix") {
  Tensor matrix = counted(21, 45, DType::f32);
  PackedMatrix written, packed;
  written.reserve(matrix, true);
  uint16_t* to = written.mutable_data();
  const std::vector<float> values = matrix.to_vector<float>();
  for (int64_t out = 0; out < 21; ++out)
    for (int64_t in = 0; in < 45; ++in)
      to[written.element(in, out)] = bf16(values[static_cast<size_t>(out * 45 + in)]).bits;
  written.mark(matrix);
  CHECK_FALSE(written.refresh(matrix, true));
  packed.refresh(matrix, true);
  CHECK(std::equal(packed.data(), packed.data() + packed.bytes() / 2, written.data()));
}

TEST_CASE("PackedMatrix: errors") {
  PackedMatrix packed;
  CHECK_THROWS_WITH_AS(packed.refresh(Tensor(), false),
                       "PackedMatrix: matrix is undefined, expected f32 or bf16 with 2 dimensions", Error);
  CHECK_THROWS_WITH_AS(packed.refresh(Tensor::zeros({2, 3}, DType::f64), false),
                       "PackedMatrix: matrix is f64 [2, 3], expected f32 or bf16 with 2 dimensions", Error);
  CHECK_THROWS_WITH_AS(packed.refresh(Tensor::zeros({2, 3}).transpose(0, 1), false),
                       "PackedMatrix: rows of f32 [3, 2] are not contiguous: stride 3", Error);
  CHECK_THROWS_WITH_AS(packed.refresh(Tensor::zeros({2, 3}, DType::bf16), false, PackedForm::split),
                       "PackedMatrix: matrix is bf16 [2, 3], expected f32 to be split", Error);
}

}  // namespace tessera::packed_matrix_test
