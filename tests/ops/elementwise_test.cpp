#include "tensor/ops/elementwise.h"

#include "tests/ops/op_check.h"
#include "tests/ops/reference.h"

namespace tessera::elementwise_test {

using namespace tessera::test;

namespace {

struct Unary {
  const char* name;
  Variable (*f)(const Variable&);
  double (*reference)(double);
  bool positive;  // defined for positive arguments only
};

const Unary kUnary[] = {
    {"exp", exp, [](double x) { return std::exp(x); }, false},
    {"log", log, [](double x) { return std::log(x); }, true},
    {"sqrt", sqrt, [](double x) { return std::sqrt(x); }, true},
    {"square", square, [](double x) { return x * x; }, false},
    {"tanh", tanh, [](double x) { return std::tanh(x); }, false},
    {"sigmoid", sigmoid, [](double x) { return 1 / (1 + std::exp(-x)); }, false},
    {"relu", relu, [](double x) { return x > 0 ? x : 0; }, false},
    {"gelu", gelu, reference::gelu, false},
    {"quick_gelu", quick_gelu, [](double x) { return x / (1 + std::exp(-1.702 * x)); }, false},
    {"add scalar", [](const Variable& x) { return x + 1.5; }, [](double x) { return x + 1.5; }, false},
    {"sub scalar", [](const Variable& x) { return x - 1.5; }, [](double x) { return x - 1.5; }, false},
    {"mul scalar", [](const Variable& x) { return -0.75 * x; }, [](double x) { return -0.75 * x; }, false},
    {"div scalar", [](const Variable& x) { return x / 4; }, [](double x) { return x / 4; }, false},
    {"negate", [](const Variable& x) { return -x; }, [](double x) { return -x; }, false},
};

struct Binary {
  const char* name;
  Variable (*f)(const Variable&, const Variable&);
  double (*reference)(double, double);
};

const Binary kBinary[] = {
    {"add", add, [](double a, double b) { return a + b; }},
    {"sub", sub, [](double a, double b) { return a - b; }},
    {"mul", mul, [](double a, double b) { return a * b; }},
    {"div", div, [](double a, double b) { return a / b; }},
};

// Away from 0, where relu has a corner, and log and div their poles.
Tensor inputs(const Shape& shape, bool positive, uint64_t seed = 3) {
  std::vector<double> values = random_normal(shape, seed).to_vector<double>();
  for (double& value : values) value = positive ? std::abs(value) + 0.3 : value + std::copysign(0.05, value);
  return Tensor::from(values, shape);
}

}  // namespace

// Results are at most 30: a few units in the last place of 30 are 1e-5 in f32 and 3e-14 in f64.
TEST_CASE("elementwise: unary ops against their definitions, any size and stride") {
  for (const Unary& op : kUnary) {
    CAPTURE(op.name);
    for (const Shape& shape : {Shape{}, Shape{0}, Shape{1}, Shape{17}, Shape{3, 0}, Shape{5, 3, 7}, Shape{40001}}) {
      const Tensor x = inputs(shape, op.positive), x32 = x.to(DType::f32);
      CHECK(largest_difference(op.f(Variable(x)).value(), reference::map(x, op.reference)) <= 3e-13);
      CHECK(largest_difference(op.f(Variable(x32)).value(), reference::map(x32, op.reference)) <= 1e-5);
      CHECK(largest_difference(op.f(Variable(strided(x32))).value(), op.f(Variable(x32)).value()) == 0);
    }
  }
}

TEST_CASE("elementwise: binary ops broadcast") {
  struct Shapes {
    Shape a, b, out;
  };
  const Shapes shapes[] = {{{}, {}, {}},
                           {{0}, {1}, {0}},
                           {{7}, {7}, {7}},
                           {{5, 3}, {3}, {5, 3}},
                           {{5, 3}, {5, 1}, {5, 3}},
                           {{3}, {5, 3}, {5, 3}},
                           {{4, 1, 5}, {3, 1}, {4, 3, 5}},
                           {{1, 6}, {7, 1}, {7, 6}},
                           {{2, 3, 4, 5}, {3, 1, 5}, {2, 3, 4, 5}},
                           {{2, 0, 4}, {4}, {2, 0, 4}},
                           {{2, 20011}, {2, 1}, {2, 20011}},
                           {{300, 64}, {64}, {300, 64}}};
  for (const Binary& op : kBinary) {
    for (const Shapes& s : shapes) {
      CAPTURE(op.name);
      CAPTURE(s.out.numel());
      const Tensor a = inputs(s.a, false, 1), b = inputs(s.b, true, 2);
      const Tensor a32 = a.to(DType::f32), b32 = b.to(DType::f32);
      const Tensor y = op.f(Variable(a32), Variable(b32)).value();
      CHECK(largest_difference(op.f(Variable(a), Variable(b)).value(), reference::map(a, b, s.out, op.reference)) <=
            1e-14);
      CHECK(largest_difference(y, reference::map(a32, b32, s.out, op.reference)) <= 2e-6);
      CHECK(largest_difference(op.f(Variable(strided(a32)), Variable(b32)).value(), y) == 0);
      CHECK(largest_difference(op.f(Variable(a32), Variable(strided(b32))).value(), y) == 0);
    }
  }
}

TEST_CASE("elementwise: gradients") {
  for (const Unary& op : kUnary) {
    const auto f = [&](std::span<const Variable> x) { return op.f(x[0]); };
    check_gradients(op.name, f, {inputs({4, 5}, op.positive)});
    check_gradients(op.name, f, {inputs({3}, op.positive)});
  }
  for (const Binary& op : kBinary) {
    const auto f = [&](std::span<const Variable> x) { return op.f(x[0], x[1]); };
    check_gradients(op.name, f, {inputs({4, 5}, false, 1), inputs({4, 5}, true, 2)});
    check_gradients(op.name, f, {inputs({4, 5}, false, 1), inputs({5}, true, 2)});
    check_gradients(op.name, f, {inputs({3, 1}, false, 1), inputs({2, 1, 4}, true, 2)});
  }
}

TEST_CASE("elementwise: special values") {
  const Tensor nan = Tensor::scalar(NAN);
  for (const Unary& op : kUnary) {
    CAPTURE(op.name);
    CHECK(std::isnan(op.f(Variable(nan)).value().item()));
  }
  CHECK(ops::gelu(Tensor::from(std::vector<float>{INFINITY, -INFINITY})).to_vector<float>() ==
        std::vector<float>{INFINITY, 0});
  CHECK(ops::div(Tensor::scalar(1), Tensor::scalar(0)).item() == INFINITY);
}

TEST_CASE("elementwise: casts") {
  const Tensor x = Tensor::from(std::vector<float>{1, 1.00390625f, 1.01171875f, -3.14159f});
  // bf16 keeps 8 bits: 1 + 2^-8 lies halfway between 1 and 1 + 2^-7 and goes to the even one, 1;
  // 1 + 3 · 2^-8 goes to 1 + 2^-6.
  CHECK(cast(Variable(x), DType::bf16).value().to(DType::f32).to_vector<float>() ==
        std::vector<float>{1, 1, 1.015625f, -3.140625f});
  const Variable leaf(x, true);
  const Variable y = cast(leaf, DType::f64);
  CHECK(y.dtype() == DType::f64);
  y.backward(Tensor::from(std::vector<double>{1, 2, 3, 4}));
  CHECK(leaf.grad().to_vector<float>() == std::vector<float>{1, 2, 3, 4});
  CHECK_THROWS_WITH_AS(cast(leaf, DType::i64), "cast: from f32 to i64, expected two floating-point types", Error);
}

TEST_CASE("elementwise: errors") {
  const Variable a(Tensor::zeros({2, 3})), b(Tensor::zeros({2})), c(Tensor::zeros({2, 3}, DType::f64));
  CHECK_THROWS_WITH_AS(add(a, b), "add: shapes [2, 3] and [2] do not broadcast", Error);
  CHECK_THROWS_WITH_AS(mul(a, c), "mul: dtypes are f32 and f64; cast one of them", Error);
  CHECK_THROWS_WITH_AS(exp(Variable(Tensor::zeros({2}, DType::i64))), "exp: dtype is i64, expected f32, f64 or bf16",
                       Error);
}

}  // namespace tessera::elementwise_test
