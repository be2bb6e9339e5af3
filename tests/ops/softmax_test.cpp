#include "tensor/ops/softmax.h"

#include "tests/ops/op_check.h"
#include "tests/ops/reference.h"

namespace tessera::softmax_test {

using namespace tessera::test;

namespace {

Tensor random_mask(const Shape& shape, uint64_t seed) {
  Random random(seed);
  std::vector<int64_t> values(static_cast<size_t>(shape.numel()));
  for (int64_t& value : values) value = random.below(3) != 0;
  return Tensor::from(values, shape);
}

const Shape kShapes[] = {{1}, {5}, {3, 1}, {7, 16}, {5, 33}, {2, 3, 65}, {300, 130}, {3, 20011}};

}  // namespace

// Probabilities are at most 1: 4e-7 is three units in the last place.
TEST_CASE("softmax: against the definition") {
  for (const Shape& shape : kShapes) {
    CAPTURE(shape.numel());
    Tensor x = random_normal(shape, 20);
    const Tensor x32 = x.to(DType::f32);
    CHECK(largest_difference(ops::softmax(x), reference::softmax(x)) <= 1e-14);
    CHECK(largest_difference(ops::softmax(x32), reference::softmax(x32)) <= 4e-7);
    CHECK(largest_difference(ops::softmax(strided(x32)), ops::softmax(x32)) == 0);
  }
  CHECK(ops::softmax(Tensor::zeros({3, 0})).shape() == Shape{3, 0});
  CHECK(ops::softmax(Tensor::zeros({0, 4})).shape() == Shape{0, 4});
}

TEST_CASE("softmax: shifted and spread rows stay stable") {
  const Tensor x =
      Tensor::from(std::vector<float>{1e30f, 1e30f, -1e30f, 3e38f, -3e38f, 0, 300, 301, -INFINITY}, {3, 3});
  const float high = 1 / (1 + std::exp(-1.0f));
  CHECK(largest_difference(ops::softmax(x), Tensor::from(std::vector<float>{0.5f, 0.5f, 0, 1, 0, 0, 1 - high, high, 0},
                                                         {3, 3})) <= 1e-7);
  CHECK(std::isnan(ops::softmax(Tensor::from(std::vector<float>{1, NAN})).to_vector<float>()[0]));
}

TEST_CASE("softmax: masked, with broadcast masks") {
  for (const Shape& shape : kShapes) {
    CAPTURE(shape.numel());
    const Tensor x = random_normal(shape, 21), x32 = x.to(DType::f32), mask = random_mask(shape, 22);
    CHECK(largest_difference(ops::masked_softmax(x, mask), reference::softmax(x, mask)) <= 1e-14);
    CHECK(largest_difference(ops::masked_softmax(x32, mask), reference::softmax(x32, mask)) <= 4e-7);
    CHECK(largest_difference(ops::masked_softmax(strided(x32), strided(mask)), ops::masked_softmax(x32, mask)) == 0);
  }
  const Tensor x = random_normal({2, 3, 5}, 23);
  for (const Shape& shape : {Shape{5}, Shape{3, 1}, Shape{2, 1, 5}, Shape{1}, Shape{}}) {
    const Tensor mask = random_mask(shape, 24);
    CHECK(largest_difference(ops::masked_softmax(x, mask),
                             reference::softmax(x, mask.expand(x.shape()).contiguous())) <= 1e-14);
  }
  const Tensor none = ops::masked_softmax(x, Tensor::zeros({2, 3, 5}, DType::i64));
  CHECK(largest_difference(none, Tensor::zeros({2, 3, 5}, DType::f64)) == 0);
  // What is excluded may be anything.
  CHECK(ops::masked_softmax(Tensor::from(std::vector<float>{1, NAN, INFINITY}),
                            Tensor::from(std::vector<int64_t>{1, 0, 0}))
            .to_vector<float>() == std::vector<float>{1, 0, 0});
}

TEST_CASE("softmax: gradients") {
  check_gradients("softmax", [](std::span<const Variable> v) { return softmax(v[0]); }, {random_normal({4, 7}, 25)});
  check_gradients("softmax over one dimension", [](std::span<const Variable> v) { return softmax(v[0]); },
                  {random_normal({9}, 26)});
  std::vector<int64_t> mask = random_mask({4, 7}, 27).to_vector<int64_t>();
  std::fill(mask.begin() + 7, mask.begin() + 14, 0);  // a row without any
  const Tensor rows = Tensor::from(mask, {4, 7});
  check_gradients("masked_softmax", [&](std::span<const Variable> v) { return masked_softmax(v[0], rows); },
                  {random_normal({4, 7}, 28)});
}

// Why the cotangent of a gradient check is random: the sum of a softmax row is 1 whatever x is.
TEST_CASE("softmax: a backward of zeros passes under a sum and fails under a random cotangent") {
  const auto wrong = [](const Variable& x) {
    return record("softmax", ops::softmax(x.value()), {x},
                  [](const Tensor& dy, GradSlots) -> Grads { return {Tensor::zeros_like(dy)}; });
  };
  const std::vector<Tensor> x = {random_normal({4, 7}, 29)};
  CHECK(gradcheck_one([&](std::span<const Variable> v) { return sum(wrong(v[0])); }, x).ok);
  CHECK_FALSE(gradcheck_one([&](std::span<const Variable> v) { return wrong(v[0]); }, x).ok);
}

TEST_CASE("softmax: errors") {
  const Tensor x = Tensor::zeros({2, 3});
  CHECK_THROWS_WITH_AS(ops::softmax(Tensor::scalar(1)), "softmax: shape is [], expected at least one dimension", Error);
  CHECK_THROWS_WITH_AS(ops::masked_softmax(x, x), "masked_softmax: mask has dtype f32, expected i64", Error);
  CHECK_THROWS_WITH_AS(ops::masked_softmax(x, Tensor::zeros({4, 2, 3}, DType::i64)),
                       "masked_softmax: mask [4, 2, 3] does not broadcast to [2, 3]", Error);
  CHECK_THROWS_WITH_AS(ops::masked_softmax(x, Tensor::zeros({2}, DType::i64)),
                       "masked_softmax: shapes [2, 3] and [2] do not broadcast", Error);
}

}  // namespace tessera::softmax_test
