#include "tensor/ops/linear.h"

#include "tensor/simd/vector_math.h"
#include "tests/ops/matrix_reference.h"
#include "tests/ops/reference.h"

namespace tessera::linear_test {

using namespace tessera::test;

namespace {

const std::vector<std::array<int64_t, 3>> kSizes = {{7, 5, 3}, {1, 1, 1}, {0, 4, 3},
                                                    {3, 0, 4}, {3, 4, 0}, {65, 33, 17}};

}  // namespace

TEST_CASE("linear and linear_gelu equal their references, whatever the strides") {
  for (const DType dtype : {DType::f32, DType::f64})
    for (const auto& [rows, in, out] : kSizes) {
      CAPTURE(rows);
      CAPTURE(in);
      CAPTURE(out);
      const Tensor x = random_normal({rows, in}, 1, dtype), w = random_normal({out, in}, 2, dtype);
      const Tensor bias = random_normal({out}, 3, dtype);
      const double bound = dtype == DType::f32 ? 4e-6 : 8e-15;  // sums of at most 34 terms
      for (const Tensor& b : {bias, strided(bias), Tensor{}})
        for (const Tensor& input : {x, with_gaps(x), by_columns(x)})
          for (const Tensor& weight : {w, with_gaps(w), by_columns(w)}) {
            const Tensor expected = reference::linear(x, w, b);
            CHECK(relative_difference(ops::linear(input, weight, b), expected) <= bound);
            const ops::LinearGelu gelu = ops::linear_gelu(input, weight, b);
            // GELU is accurate relative to its argument, which is below 25 here, not to its result.
            CHECK(largest_difference(gelu.y, reference::map(expected, reference::gelu)) <= 25 * bound);
            CHECK(same_bits(gelu.before, ops::linear(input, weight, b)));
          }
    }
}

TEST_CASE("linear keeps leading dimensions") {
  const Tensor x = random_normal({2, 3, 5}, 1), w = random_normal({4, 5}, 2);
  CHECK(same_bits(ops::linear(x, w, {}), ops::linear(x.view({6, 5}), w, {}).view({2, 3, 4})));
  CHECK(ops::linear(random_normal({5}, 1), w, {}).shape() == Shape{4});
}

TEST_CASE("linear and linear_gelu: gradients") {
  for (const auto& [rows, in, out] : std::vector<std::array<int64_t, 3>>{{7, 5, 3}, {1, 1, 1}, {4, 1, 6}}) {
    const std::vector<Tensor> inputs = {random_normal({rows, in}, 1), random_normal({out, in}, 2),
                                        random_normal({out}, 3)};
    const std::vector<Tensor> without_bias = {inputs[0], inputs[1]};
    check_gradients(
        "linear", [](auto in_) { return linear(in_[0], in_[1], in_[2]); }, inputs);
    check_gradients(
        "linear", [](auto in_) { return linear(in_[0], in_[1], {}); }, without_bias);
    check_gradients(
        "linear_gelu", [](auto in_) { return linear_gelu(in_[0], in_[1], in_[2]); }, inputs);
    check_gradients(
        "linear_gelu", [](auto in_) { return linear_gelu(in_[0], in_[1], {}); }, without_bias);
  }
  check_gradients("linear", [](auto in) { return linear(in[0], in[1], in[2]); },
                  {random_normal({2, 3, 4}, 1), random_normal({5, 4}, 2), random_normal({5}, 3)});
}

TEST_CASE("linear_gelu: a gradient that misses the x φ(x) term is caught") {
  const auto planted = [](std::span<const Variable> in) {
    const ops::LinearGelu result = ops::linear_gelu(in[0].value(), in[1].value(), {});
    return record("planted", result.y, {in[0], in[1]},
                  [x = in[0].value(), w = in[1].value(), before = result.before](const Tensor& dy, GradSlots) -> Grads {
                    std::vector<double> da = dy.to_vector<double>(), a = before.to_vector<double>();
                    for (size_t i = 0; i < da.size(); ++i) da[i] *= vmath::normal_cdf(a[i]);
                    const Tensor gradient = Tensor::from(da, dy.shape());
                    Tensor dw = Tensor::empty_like(w);
                    ops::linear_weight_gradient_(dw, gradient, x, false);
                    return {ops::linear_data_gradient(gradient, w), dw};
                  });
  };
  CHECK_FALSE(gradcheck_one(planted, {random_normal({3, 2}, 1), random_normal({2, 2}, 2)}).ok);
}

TEST_CASE("linear and linear_gelu equal their compositions, with gradients") {
  const auto leaf = [](const Shape& shape, uint64_t seed) { return Variable(random_normal(shape, seed), true); };
  for (const bool gelu_after : {false, true}) {
    const Variable x = leaf({9, 6}, 1), w = leaf({5, 6}, 2), b = leaf({5}, 3);
    const Variable x2 = leaf({9, 6}, 1), w2 = leaf({5, 6}, 2), b2 = leaf({5}, 3);
    const Variable y = gelu_after ? linear_gelu(x, w, b) : linear(x, w, b);
    const Variable sum = matmul(x2, transpose(w2, 0, 1)) + b2;
    const Variable y2 = gelu_after ? gelu(sum) : sum;
    CHECK(relative_difference(y.value(), y2.value()) <= 1e-14);
    const Tensor cotangent = random_normal({9, 5}, 4);
    y.backward(cotangent);
    y2.backward(cotangent);
    CHECK(relative_difference(x.grad(), x2.grad()) <= 1e-14);
    CHECK(relative_difference(w.grad(), w2.grad()) <= 1e-14);
    CHECK(relative_difference(b.grad(), b2.grad()) <= 1e-14);
  }
}

TEST_CASE("linear writes its parameters' gradients into their own memory, and adds from the second time on") {
  const Tensor x = random_normal({40, 6}, 1), cotangent = random_normal({40, 5}, 2);
  Variable w(random_normal({5, 6}, 3), true), b(random_normal({5}, 4), true);
  const Tensor w_memory = Tensor::full({5, 6}, 1e9, DType::f64), b_memory = Tensor::full({5}, 1e9, DType::f64);
  w.set_grad_storage(w_memory);
  b.set_grad_storage(b_memory);
  for (const bool gelu_after : {false, true}) {
    const auto f = [&](const Variable& weight, const Variable& bias) {
      return gelu_after ? linear_gelu(Variable(x), weight, bias) : linear(Variable(x), weight, bias);
    };
    Variable w_free(w.value(), true), b_free(b.value(), true);
    f(w_free, b_free).backward(cotangent);
    f(w, b).backward(cotangent);
    CHECK(w.grad().storage() == w_memory.storage());
    CHECK(relative_difference(w.grad(), w_free.grad()) == 0);
    CHECK(relative_difference(b.grad(), b_free.grad()) == 0);
    f(w, b).backward(cotangent);
    CHECK(relative_difference(w_memory, (w_free * 2.0).value()) > 0.1);  // the gradient, not the value
    const Tensor twice_w = (Variable(w_free.grad()) * 2.0).value(), twice_b = (Variable(b_free.grad()) * 2.0).value();
    CHECK(relative_difference(w_memory, twice_w) <= 1e-15);
    CHECK(relative_difference(b_memory, twice_b) <= 1e-15);
    w.clear_grad();
    b.clear_grad();
  }
}

TEST_CASE("linear: the same bits on any number of threads") {
  const Tensor x = random_normal({1003, 64}, 1, DType::f32), w = random_normal({192, 64}, 2, DType::f32);
  const Tensor b = random_normal({192}, 3, DType::f32), dy = random_normal({1003, 192}, 4, DType::f32);
  CHECK(same_on_any_number_of_threads([&] {
    Tensor dw = Tensor::empty({192, 64}), db = Tensor::empty({192}), db_gelu = Tensor::empty({192});
    ops::linear_weight_gradient_(dw, dy, x, false);
    ops::column_sums_(db, dy, false);
    const ops::LinearGelu gelu = ops::linear_gelu(x, w, b);
    const Tensor da = ops::gelu_gradient(dy, gelu.before, db_gelu, false);
    return std::vector{ops::linear(x, w, b), gelu.y, ops::linear_data_gradient(dy, w), dw, db, db_gelu, da};
  }));
}

TEST_CASE("column_sums: odd sizes, gaps, adding") {
  for (const auto& [rows, columns] : std::vector<std::array<int64_t, 2>>{{0, 3}, {1, 1}, {7, 5}, {1001, 33}, {5, 0}}) {
    const Tensor x = random_normal({rows, columns}, 1);
    const Tensor expected = reference::sum(x, 0);
    Tensor sums = Tensor::full({columns}, 1e9, DType::f64);
    ops::column_sums_(sums, with_gaps(x), false);
    CHECK(relative_difference(sums, expected) <= 1e-13);
    ops::column_sums_(sums, x, true);
    CHECK(relative_difference(sums, (Variable(expected) * 2).value()) <= 1e-13);
  }
}

TEST_CASE("linear: what bad input gets") {
  const Tensor x = Tensor::zeros({4, 3}), w = Tensor::zeros({5, 3});
  CHECK_THROWS_WITH_AS(ops::linear(x, Tensor::zeros({5, 4}), {}),
                       "linear: weight is f32 [5, 4], expected f32 [out, 3] for x f32 [4, 3]", Error);
  CHECK_THROWS_WITH_AS(ops::linear_gelu(x, Tensor::zeros({3}), {}),
                       "linear_gelu: weight is f32 [3], expected f32 [out, 3] for x f32 [4, 3]", Error);
  CHECK_THROWS_WITH_AS(ops::linear(x, Tensor::zeros({5, 3}, DType::f64), {}),
                       "linear: weight is f64 [5, 3], expected f32 [out, 3] for x f32 [4, 3]", Error);
  CHECK_THROWS_WITH_AS(ops::linear(x, w, Tensor::zeros({4})), "linear: bias is f32 [4], expected f32 [5]", Error);
  CHECK_THROWS_WITH_AS(ops::linear(Tensor{}, w, {}), "linear: x or weight is undefined", Error);
  CHECK_THROWS_WITH_AS(ops::linear(Tensor::scalar(1), w, {}), "linear: x is f32 [], expected [..., in]", Error);
  CHECK_THROWS_WITH_AS(ops::linear(Tensor::zeros({4, 3}, DType::i64), Tensor::zeros({5, 3}, DType::i64), {}),
                       "linear: dtype is i64, expected f32, f64 or bf16", Error);
}

}  // namespace tessera::linear_test
