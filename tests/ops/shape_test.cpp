#include "tests/ops/op_check.h"

namespace tessera::shape_test {

using namespace tessera::test;

namespace {

Tensor counting(const Shape& shape) {
  std::vector<double> values(static_cast<size_t>(shape.numel()));
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i);
  return Tensor::from(values, shape);
}

}  // namespace

TEST_CASE("shape: values") {
  const Variable x(counting({2, 3, 4}));
  CHECK(reshape(x, {4, -1}).shape() == Shape{4, 6});
  const Variable p = permute(x, {2, 0, 1});
  CHECK(p.shape() == Shape{4, 2, 3});
  CHECK(p.value().select(0, 3).select(0, 1).select(0, 2).item() == 23);
  CHECK(p.value().select(0, 1).select(0, 0).select(0, 2).item() == 9);
  CHECK(largest_difference(permute(x, {-1, 0, 1}).value(), p.value()) == 0);
  CHECK(transpose(x, 0, -1).shape() == Shape{4, 3, 2});
  CHECK(narrow(x, 1, 1, 2).value().to_vector<double>() ==
        std::vector<double>{4, 5, 6, 7, 8, 9, 10, 11, 16, 17, 18, 19, 20, 21, 22, 23});
  CHECK(expand(Variable(counting({3, 1})), {2, 3, 2}).value().to_vector<double>() ==
        std::vector<double>{0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2});
  CHECK(contiguous(p).value().is_contiguous());
  CHECK(reshape(p, {24}).value().to_vector<double>() == p.value().to_vector<double>());
}

TEST_CASE("shape: concatenate") {
  const Variable a(counting({2, 1})), b(counting({2, 3})), none(counting({2, 0}));
  CHECK(concatenate({a, none, b}, 1).value().to_vector<double>() == std::vector<double>{0, 0, 1, 2, 1, 3, 4, 5});
  CHECK(concatenate({b, b}, -2).shape() == Shape{4, 3});
  const Variable t = transpose(b, 0, 1);  // [3, 2], strided
  CHECK(concatenate({t, Variable(counting({1, 2}))}, 0).value().to_vector<double>() ==
        std::vector<double>{0, 3, 1, 4, 2, 5, 0, 1});
}

TEST_CASE("shape: gradients") {
  const auto one = [](auto f) { return [f](std::span<const Variable> x) { return square(f(x[0])); }; };
  const Tensor x = random_normal({2, 3, 4}, 5);
  check_gradients("reshape", one([](const Variable& v) { return reshape(v, {6, 4}); }), {x});
  check_gradients("permute", one([](const Variable& v) { return permute(v, {1, -1, 0}); }), {x});
  check_gradients("transpose", one([](const Variable& v) { return transpose(v, 1, -1); }), {x});
  check_gradients("narrow", one([](const Variable& v) { return narrow(v, -2, 1, 2); }), {x});
  check_gradients("narrow to nothing", one([](const Variable& v) { return sum(narrow(v, 2, 1, 0)) + sum(v); }), {x});
  check_gradients("contiguous", one([](const Variable& v) { return contiguous(permute(v, {2, 1, 0})); }), {x});
  check_gradients("expand", one([](const Variable& v) {
                    return expand(v, {5, 2, 3, 4});
                  }),
                  {random_normal({2, 1, 4}, 6)});
  check_gradients("concatenate",
                  [](std::span<const Variable> v) {
                    return square(concatenate({v[0], v[1], v[0]}, 1));
                  },
                  {random_normal({2, 3}, 7), random_normal({2, 1}, 8)});
}

TEST_CASE("shape: backward of narrow writes zeros elsewhere") {
  const Variable x(counting({2, 3}), true);
  narrow(x, 1, 1, 1).backward(Tensor::full({2, 1}, 5, DType::f64));
  CHECK(x.grad().to_vector<double>() == std::vector<double>{0, 5, 0, 0, 5, 0});
}

TEST_CASE("shape: errors") {
  const Variable x(counting({2, 3}));
  CHECK_THROWS_WITH_AS(reshape(x, {4, 2}), "view: cannot view [2, 3] as [4, 2]", Error);
  CHECK_THROWS_WITH_AS(reshape(x, {-1, -1}), "view: [-1, -1] has more than one -1", Error);
  CHECK_THROWS_WITH_AS(permute(x, {0}), "permute: 1 dimensions given for shape [2, 3]", Error);
  CHECK_THROWS_WITH_AS(permute(x, {0, 0}), "permute: dimension 0 given twice", Error);
  CHECK_THROWS_WITH_AS(transpose(x, 0, 2), "tensor: no dimension 2 in shape [2, 3]", Error);
  CHECK_THROWS_WITH_AS(narrow(x, 1, 2, 2), "narrow: start 2, length 2 is outside dimension 1 of [2, 3]", Error);
  CHECK_THROWS_WITH_AS(expand(x, {3, 3}), "expand: [2, 3] does not expand to [3, 3]", Error);
  CHECK_THROWS_WITH_AS(concatenate({}, 0), "concatenate: no tensors given", Error);
  CHECK_THROWS_WITH_AS(concatenate({x}, 2), "concatenate: no dimension 2 in shape [2, 3]", Error);
  CHECK_THROWS_WITH_AS(concatenate({x, Variable(counting({2, 2}))}, 0),
                       "concatenate: part 1 is f64 [2, 2], expected f64 [2, 3] up to dimension 0", Error);
}

}  // namespace tessera::shape_test
