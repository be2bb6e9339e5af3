#include "tensor/tensor.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "tensor/device.h"

namespace tessera::tensor_test {

namespace {

Tensor counting(const Shape& shape) {
  std::vector<float> values(static_cast<size_t>(shape.numel()));
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  return Tensor::from(values, shape);
}

using Floats = std::vector<float>;

}  // namespace

TEST_CASE("tensor: creation") {
  const Tensor t = Tensor::full({2, 3}, 1.5);
  CHECK(t.dtype() == DType::f32);
  CHECK(t.numel() == 6);
  CHECK(t.bytes() == 24);
  CHECK(t.strides() == Shape{3, 1});
  CHECK(t.to_vector<float>() == Floats(6, 1.5f));
  CHECK(Tensor::zeros({3}, DType::i64).to_vector<int64_t>() == std::vector<int64_t>{0, 0, 0});
  CHECK(Tensor::scalar(-2, DType::f64).item() == -2);
  CHECK(Tensor::scalar(3).dim() == 0);
  CHECK(Tensor::empty({0, 5}).numel() == 0);
  CHECK(Tensor::zeros_like(t).shape() == t.shape());
  CHECK_FALSE(Tensor().defined());
  CHECK(text(counting({2, 2})) == "f32 [2, 2] (0, 1, 2, 3)");
  CHECK(text(Tensor()) == "undefined");
}

TEST_CASE("tensor: views alias their source") {
  Tensor t = counting({2, 3, 4});
  const Tensor p = t.permute({2, 0, 1});
  CHECK(p.shape() == Shape{4, 2, 3});
  CHECK(p.strides() == Shape{1, 12, 4});
  CHECK_FALSE(p.is_contiguous());
  CHECK(p.to_vector<float>()[7] == 5);  // p[1, 0, 1] = t[0, 1, 1]
  CHECK(t.transpose(0, 2).shape() == Shape{4, 3, 2});
  CHECK(t.transpose(-1, 0).strides() == Shape{1, 4, 12});
  CHECK(t.narrow(1, 1, 2).to_vector<float>() == Floats{4, 5, 6, 7, 8, 9, 10, 11, 16, 17, 18, 19, 20, 21, 22, 23});
  CHECK(t.select(0, 1).select(-1, 2).to_vector<float>() == Floats{14, 18, 22});
  CHECK(t.view({6, -1}).shape() == Shape{6, 4});
  CHECK(t.unsqueeze(-1).shape() == Shape{2, 3, 4, 1});
  CHECK(t.unsqueeze(1).squeeze(1).shape() == t.shape());
  CHECK(t.narrow(0, 1, 1).is_contiguous());
  CHECK(t.select(1, 0).expand({5, 2, 4}).strides() == Shape{0, 12, 1});
  const Tensor view = t.narrow(2, 0, 1);
  t.mutable_data<float>()[4] = 100;
  CHECK(view.to_vector<float>()[1] == 100);
  CHECK(view.storage() == t.storage());
  CHECK(p.reshape({24}).storage() != t.storage());  // a copy: the view cannot be flat
  CHECK(t.reshape({24}).storage() == t.storage());
  CHECK(t.contiguous().storage() == t.storage());
  CHECK(t.clone().storage() != t.storage());
}

TEST_CASE("tensor: copies between strides and types") {
  Tensor to = Tensor::zeros({3, 4});
  to.transpose(0, 1).narrow(0, 1, 2).copy_(counting({2, 3}));
  CHECK(to.to_vector<float>() == Floats{0, 0, 3, 0, 0, 1, 4, 0, 0, 2, 5, 0});
  Tensor column = to.select(1, 3);
  column.fill_(9);
  CHECK(to.to_vector<float>() == Floats{0, 0, 3, 9, 0, 1, 4, 9, 0, 2, 5, 9});
  const Tensor large = counting({100, 300});
  CHECK(large.transpose(0, 1).clone().transpose(0, 1).to_vector<float>() == large.to_vector<float>());
  CHECK(large.to(DType::f64).to(DType::f32).to_vector<float>() == large.to_vector<float>());
  CHECK(Tensor::from(Floats{-1.75f, 2.5f}).to(DType::i64).to_vector<int64_t>() == std::vector<int64_t>{-1, 2});
  CHECK(Tensor::from(std::vector<uint8_t>{0, 200}).to(DType::f32).to_vector<float>() == Floats{0, 200});
  CHECK(large.to(DType::f32).storage() == large.storage());
}

// bf16 keeps the upper 16 bits of an f32: 7 bits of mantissa, spacing 2^-7 at 1.
TEST_CASE("tensor: bf16 rounds to nearest, ties to even") {
  const auto rounded = [](float x) { return static_cast<float>(bf16(x)); };
  CHECK(rounded(1 + 0x1p-8f) == 1);                // a tie: down to even
  CHECK(rounded(1 + 3 * 0x1p-8f) == 1 + 0x1p-6f);  // a tie: up to even
  CHECK(rounded(1 + 0x1p-8f + 0x1p-20f) == 1 + 0x1p-7f);
  CHECK(rounded(1 + 0x1p-8f - 0x1p-20f) == 1);
  CHECK(rounded(-(1 + 3 * 0x1p-8f)) == -(1 + 0x1p-6f));
  CHECK(rounded(0x1p-133f) == 0x1p-133f);  // the smallest denormal
  CHECK(rounded(0x1p-134f) == 0);
  CHECK(std::signbit(rounded(-0.0f)));
  CHECK(rounded(std::numeric_limits<float>::max()) == std::numeric_limits<float>::infinity());
  CHECK(rounded(-INFINITY) == -INFINITY);
  CHECK(std::isnan(rounded(NAN)));
  CHECK(std::isnan(rounded(std::bit_cast<float>(0x7f800001u))));  // whose upper half alone would be infinity
  CHECK(Tensor::from(Floats{1.00390625f}).to(DType::bf16).to(DType::f32).item() == 1);
  for (uint32_t bits = 0; bits <= 0xffffu; ++bits) {  // every bf16 survives f32 and back
    const float value = std::bit_cast<float>(bits << 16);
    if (!std::isnan(value) && bf16(value).bits != bits) FAIL_CHECK("bf16 ", bits, " became ", bf16(value).bits);
  }
}

TEST_CASE("tensor: versions count mutations and belong to the root") {
  Tensor t = counting({4});
  const Tensor view = t.narrow(0, 1, 2);
  CHECK(t.version() == 0);
  t.mutable_data<float>()[0] = 1;
  CHECK(t.version() == 1);
  CHECK(view.version() == 1);
  Tensor root = view.as_root();
  root.fill_(3);
  CHECK(root.version() == 1);
  CHECK(t.version() == 1);
  CHECK(t.to_vector<float>() == Floats{1, 3, 3, 3});
}

TEST_CASE("tensor: errors") {
  const Tensor t = counting({2, 3});
  constexpr int64_t kHuge = int64_t{1} << 62;
  CHECK_THROWS_WITH_AS(t.data<double>(), "tensor: data of dtype f32 read as f64", Error);
  CHECK_THROWS_WITH_AS(Tensor().data<float>(), "tensor: undefined tensor has no data", Error);
  CHECK_THROWS_WITH_AS(t.size(2), "tensor: no dimension 2 in shape [2, 3]", Error);
  CHECK_THROWS_WITH_AS(t.item(), "item: shape is [2, 3], expected one element", Error);
  CHECK_THROWS_WITH_AS(t.transpose(0, 1).view({6}), "view: [3, 2] with strides [1, 3] is not contiguous; use reshape",
                       Error);
  CHECK_THROWS_WITH_AS(t.view({4, -1}), "view: cannot view [2, 3] as [4, -1]", Error);
  CHECK_THROWS_WITH_AS(t.view({0, -1}), "view: cannot view [2, 3] as [0, -1]", Error);
  CHECK_THROWS_WITH_AS(t.view({int64_t{1} << 40, int64_t{1} << 40, -1}), doctest::Contains("cannot view [2, 3]"),
                       Error);
  CHECK_THROWS_WITH_AS(t.view({7}), "view: cannot view [2, 3] as [7]", Error);
  CHECK_THROWS_WITH_AS(t.expand({3}), "expand: [2, 3] to [3] would lose dimensions", Error);
  CHECK_THROWS_WITH_AS(t.narrow(0, -1, 1), "narrow: start -1, length 1 is outside dimension 0 of [2, 3]", Error);
  CHECK_THROWS_AS(t.narrow(0, 1, std::numeric_limits<int64_t>::max()), Error);
  CHECK_THROWS_WITH_AS(t.squeeze(0), "squeeze: dimension 0 of [2, 3] is not 1", Error);
  CHECK_THROWS_WITH_AS(t.unsqueeze(4), "unsqueeze: no place 4 in shape [2, 3]", Error);
  CHECK_THROWS_WITH_AS(Tensor::zeros({2}).copy_(t), "copy: source is [2, 3], expected [2]", Error);
  CHECK_THROWS_WITH_AS(Tensor::from(Floats{1, 2}, {3}), "tensor: 2 values for shape [3]", Error);
  CHECK_THROWS_WITH_AS(Tensor::empty({0, kHuge, kHuge}), doctest::Contains("has too many elements"), Error);  // strides
  CHECK_THROWS_WITH_AS(Tensor::empty({kHuge, 4}), doctest::Contains("has too many elements"), Error);
  CHECK_THROWS_WITH_AS(Tensor::empty({kHuge}), doctest::Contains("has too many elements"), Error);  // in bytes
  CHECK_THROWS_WITH_AS(Tensor::empty({int64_t{1} << 50}), doctest::Contains("out of memory"), Error);
  CHECK_THROWS_WITH_AS(Tensor::empty({2, -1}), "shape: [2, -1] has a negative size", Error);
  CHECK_THROWS_WITH_AS((Shape{1, 1, 1, 1, 1, 1, 1, 1, 1}), "shape: more than 8 dimensions", Error);
  CHECK_THROWS_WITH_AS(broadcast_shapes("add", {2, 3}, {2}), "add: shapes [2, 3] and [2] do not broadcast", Error);
  const Device gpu{Device::cuda, 0};
  if (const std::string reason = why_unavailable(gpu); !reason.empty())
    CHECK_THROWS_WITH_AS(Tensor::empty({1}, DType::f32, gpu), ("device cuda:0: " + reason).c_str(), Error);
}

}  // namespace tessera::tensor_test
