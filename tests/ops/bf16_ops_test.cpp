// Ops that are no matrix product, normalisation or attention, in bf16: against the same op in f64 on the same values,
// and bit for bit against f32 rounded once where the op says so.
#include <limits>

#include "autograd/finite.h"
#include "tensor/ops/accumulate.h"
#include "tensor/ops/cross_entropy.h"
#include "tensor/ops/dropout.h"
#include "tensor/ops/elementwise.h"
#include "tensor/ops/gather_rows.h"
#include "tensor/ops/global_norm.h"
#include "tensor/ops/reduce.h"
#include "tensor/ops/softmax.h"
#include "tests/ops/matrix_reference.h"

namespace tessera::bf16_ops_test {

using namespace tessera::test;

namespace {

constexpr double kRounding = 0x1p-8;  // of a value to bf16, relative: 8 bits are kept
const Ticket kTicket{11, 12, 13};

using Inputs = std::span<const Variable>;

Tensor uniform(const Shape& shape, double low, double high, uint64_t seed) {
  Random random(seed);
  std::vector<double> values(static_cast<size_t>(shape.numel()));
  for (double& value : values) value = random.uniform(low, high);
  return Tensor::from(values, shape).to(DType::bf16);
}
Tensor wide(const Tensor& x) { return x.to(DType::f64); }
Tensor single(const Tensor& x) { return x.to(DType::f32); }
Tensor rounded(const Tensor& x) { return x.to(DType::bf16); }

// |got - expected| less the rounding of the stored value and 2e-6 for f32 arithmetic, in roundings: not above `extra`.
double excess(const Tensor& got, const Tensor& expected) {
  REQUIRE(got.shape() == expected.shape());
  const double stored = got.dtype() == DType::bf16 ? kRounding : 0;
  const std::vector<double> g = values_of(got), e = values_of(expected);
  double most = 0;
  for (size_t i = 0; i < g.size(); ++i) {
    if (g[i] == e[i]) continue;
    const double over = (std::abs(g[i] - e[i]) - stored * std::abs(e[i]) - 2e-6) / kRounding;
    most = over <= most ? most : std::isnan(over) ? INFINITY : over;
  }
  return most;
}

// Values and gradients of f; cotangents are at most 1. `extra`: the error, in roundings, that comes into a gradient
// from intermediate values that were rounded too.
void check_op(const char* name, const OpFunction& f, const std::vector<Tensor>& inputs, double extra = 0,
              DType out_dtype = DType::bf16) {
  CAPTURE(name);
  std::vector<Tensor> references, views;
  std::vector<Variable> plain;
  for (const Tensor& input : inputs) {
    references.push_back(wide(input));
    views.push_back(strided(input));
    plain.emplace_back(input);
  }
  std::vector<Variable> reference_leaves, view_leaves;
  for (size_t i = 0; i < inputs.size(); ++i) {
    reference_leaves.emplace_back(references[i]);
    view_leaves.emplace_back(views[i]);
  }
  const Tensor y = f(plain).value();
  CHECK(y.dtype() == out_dtype);
  CHECK(excess(y, f(reference_leaves).value()) == 0);
  CHECK(same_bits(f(view_leaves).value(), y));
  const Tensor dy = uniform(y.shape(), -1, 1, 99).to(out_dtype);
  const std::vector<Tensor> got = gradients(f, inputs, dy), expected = gradients(f, references, wide(dy));
  for (size_t i = 0; i < inputs.size(); ++i) {
    CAPTURE(i);
    CHECK(got[i].dtype() == DType::bf16);
    CHECK(excess(got[i], expected[i]) <= extra);
  }
  CHECK(same_on_any_number_of_threads([&] { return gradients(f, inputs, dy); }));
}

}  // namespace

// Extra roundings of gradients, with cotangents up to 1, operands up to 2 and divisors from 0.5: a gradient of a
// broadcast operand is a sum of rounded products (3 of at most 2: 6; of at most 8: 24), that of div is made of rounded
// da and y.
TEST_CASE("bf16: elementwise ops with two operands") {
  using Binary = Variable (*)(const Variable&, const Variable&);
  const std::pair<Binary, double> ops[] = {{add, 0}, {sub, 0}, {mul, 6}, {div, 48}};
  for (const auto& [op, extra] : ops) {
    const OpFunction f = [op = op](Inputs x) { return op(x[0], x[1]); };
    check_op("same shape", f, {uniform({5, 37}, -2, 2, 1), uniform({5, 37}, 0.5, 2, 2)}, extra);
    check_op("broadcast", f, {uniform({3, 1030}, -2, 2, 3), uniform({1030}, 0.5, 2, 4)}, extra);
    check_op("broadcast along rows", f, {uniform({40, 3}, -2, 2, 5), uniform({40, 1}, 0.5, 2, 6)}, extra);
    check_op("no elements", f, {uniform({0, 3}, -2, 2, 7), uniform({3}, 0.5, 2, 8)}, extra);
    const Tensor x = uniform({20011}, -2, 2, 9), y = uniform({20011}, 0.5, 2, 10);
    CHECK(
        same_bits(op(Variable(x), Variable(y)).value(), rounded(op(Variable(single(x)), Variable(single(y))).value())));
  }
  check_op("add number", [](Inputs x) { return x[0] + 2.1; }, {uniform({77}, -2, 2, 1)});
  check_op("mul number", [](Inputs x) { return x[0] * -2.1; }, {uniform({77}, -2, 2, 1)});
}

// The derivatives of tanh, sigmoid, exp and sqrt are taken from y as it was rounded: an error of 2y² <= 2, y <= 1,
// e² < 8, and 1 / 2√0.5 < 1 roundings.
TEST_CASE("bf16: elementwise ops with one operand") {
  using Unary = Variable (*)(const Variable&);
  const std::tuple<const char*, Unary, double, double> ops[] = {
      {"exp", exp, -2, 8},       {"log", log, 0.5, 0},        {"sqrt", sqrt, 0.5, 1},
      {"square", square, -2, 0}, {"tanh", tanh, -2, 2},       {"relu", relu, -2, 0},
      {"gelu", gelu, -2, 0},     {"sigmoid", sigmoid, -2, 1}, {"quick_gelu", quick_gelu, -2, 0},
  };
  for (const auto& [name, op, low, extra] : ops)
    for (const Shape& shape : {Shape{}, Shape{1}, Shape{0, 2}, Shape{3, 5}, Shape{3, 6000}})
      check_op(
          name, [op = op](Inputs x) { return op(x[0]); }, {uniform(shape, low, 2, 1)}, extra);
}

TEST_CASE("bf16: cast rounds to nearest even and keeps what is not finite, in runs of any length and layout") {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const std::vector<float> special{0,
                                   -0.0f,
                                   1,
                                   -1.00390625f,
                                   1.01171875f,
                                   3.4e38f,
                                   1e-40f,
                                   kInfinity,
                                   -kInfinity,
                                   1e-45f,
                                   std::numeric_limits<float>::quiet_NaN()};
  for (const int64_t size : {int64_t{1}, int64_t{15}, int64_t{16}, int64_t{100}, int64_t{40001}}) {
    std::vector<float> values = random_normal({size}, 1, DType::f32).to_vector<float>();
    for (size_t i = 0; i < values.size(); i += 3) values[i] = special[i / 3 % special.size()];
    const Tensor x = Tensor::from(values), y = rounded(x);
    const std::vector<bf16> got = y.to_vector<bf16>();
    bool same = true;
    for (size_t i = 0; i < values.size(); ++i) same &= got[i].bits == bf16(values[i]).bits;
    CHECK(same);
    CHECK(same_bits(rounded(strided(x)), y));
    CHECK(same_bits(single(strided(y)), single(y)));
    CHECK(largest_difference(single(y), y) == 0);
    CHECK(same_bits(rounded(single(y)), y));
  }
  check_op("cast to f32 and back", [](Inputs x) { return cast(cast(x[0], DType::f32), x[0].dtype()); },
           {uniform({5, 37}, -2, 2, 1)});
}

TEST_CASE("bf16: views and concatenation") {
  const Tensor x = uniform({4, 6, 35}, -2, 2, 1);
  check_op("reshape", [](Inputs in) { return reshape(in[0], {24, -1}); }, {x});
  check_op("permute", [](Inputs in) { return permute(in[0], {2, 0, 1}); }, {x});
  check_op("contiguous", [](Inputs in) { return contiguous(transpose(in[0], 0, 2)); }, {x});
  check_op("narrow", [](Inputs in) { return narrow(in[0], 1, 2, 3); }, {x});
  check_op("expand", [](Inputs in) { return expand(in[0], {3, 4, 5}); }, {uniform({4, 1}, -2, 2, 2)});
  check_op("concatenate",
           [](Inputs in) {
             return concatenate({in[0], in[1]}, 1);
           },
           {uniform({3, 4}, -2, 2, 3), uniform({3, 17}, -2, 2, 4)});
}

TEST_CASE("bf16: sums are added in f32 and rounded once") {
  for (const Shape& shape : {Shape{1}, Shape{70, 40}, Shape{3, 2000}, Shape{5, 1, 300}}) {
    const Tensor x = uniform(shape, -2, 2, 1);
    check_op("sum", [](Inputs in) { return sum(in[0]); }, {x});
    check_op("mean", [](Inputs in) { return mean(in[0]); }, {x});
    check_op("sum over 0", [](Inputs in) { return sum(in[0], 0); }, {x});
    check_op("mean over -1", [](Inputs in) { return mean(in[0], -1, true); }, {x});
    check_op("max over -1", [](Inputs in) { return max(in[0], -1); }, {x});
    CHECK(same_bits(ops::mean(x, 0), rounded(ops::mean(single(x), 0))));
    CHECK(same_bits(ops::argmax(x, -1), ops::argmax(single(x), -1)));
    CHECK(ops::global_norm(x) == ops::global_norm(single(x)));
  }
  // A running sum in bf16 would stay at 256, where 1 is half a unit.
  CHECK(ops::sum(Tensor::full({1000}, 1, DType::bf16)).item() == 1000);
  const Tensor table = Tensor::zeros({2, 3}, DType::bf16), ones = Tensor::full({1000, 3}, 1, DType::bf16);
  ops::RowTarget target{2, table, false};
  ops::scatter_rows(ones, Tensor::full({1000}, 1, DType::i64), {&target, 1});
  CHECK(values_of(table) == std::vector<double>{0, 0, 0, 1000, 1000, 1000});
  Tensor total = Tensor::full({40}, 1, DType::bf16);
  ops::accumulate_(total, Tensor::full({40}, 0x1p-7, DType::bf16));
  CHECK(total.select(0, 39).item() == 1 + 0x1p-7);
}

TEST_CASE("bf16: dropout rounds the scaled value once, with the mask of f32") {
  for (const Shape& shape : {Shape{7, 5}, Shape{1}, Shape{0, 3}, Shape{3, 6007}}) {
    const Tensor x = uniform(shape, -2, 2, 1);
    check_op("dropout", [](Inputs in) { return dropout(in[0], 0.3, kTicket); }, {x});
    CHECK(same_bits(ops::dropout(x, 0.3, kTicket), rounded(ops::dropout(single(x), 0.3, kTicket))));
  }
}

// y is rounded before it is used for the gradient y (dy - Σ dy y), which moves by at most y · 1 + y Σ |dy| y <= 2
// roundings.
TEST_CASE("bf16: softmax") {
  const Tensor mask = Tensor::from(std::vector<int64_t>{1, 0, 1, 1, 0, 1, 1, 1, 0});
  for (const Shape& shape : {Shape{3, 9}, Shape{2, 1}, Shape{0, 9}, Shape{2, 3, 1037}}) {
    const Tensor x = uniform(shape, -8, 8, 1);
    check_op(
        "softmax", [](Inputs in) { return softmax(in[0]); }, {x}, 2);
    CHECK(same_bits(ops::softmax(x), rounded(ops::softmax(single(x)))));
    if (shape.back() != 9) continue;
    check_op(
        "masked", [&](Inputs in) { return masked_softmax(in[0], mask); }, {x}, 2);
    check_op("all masked", [](Inputs in) { return masked_softmax(in[0], Tensor::zeros({9}, DType::i64)); }, {x});
  }
}

TEST_CASE("bf16: rows of tables, whose gradients are f32 sums rounded once") {
  std::vector<int64_t> rows(600);
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<int64_t>(i * i % 7);
  const Tensor index = Tensor::from(rows);
  const auto gather = [&](Inputs in) { return gather_rows({in[0], in[1]}, index); };
  for (const int64_t width : {1, 130, 300})
    check_op("gather_rows", gather, {uniform({3, width}, -2, 2, 1), uniform({4, width}, -2, 2, 2)});
  check_op("embedding",
           [&](Inputs in) {
             return embedding(in[0], index.view({20, 30}));
           },
           {uniform({7, 40}, -2, 2, 3)});
}

TEST_CASE("bf16: cross-entropy of few and of many classes, with an f32 loss") {
  for (const int64_t classes : {int64_t{2}, int64_t{37}, int64_t{3001}}) {
    const Tensor logits = uniform({5, classes}, -6, 6, 1);
    const Tensor labels = Tensor::from(std::vector<int64_t>{0, classes - 1, -100, 1, classes / 2});
    for (const Reduction reduction : {Reduction::mean, Reduction::sum})
      check_op(
          "cross_entropy", [&](Inputs in) { return cross_entropy(in[0], labels, reduction); }, {logits}, 0, DType::f32);
    CHECK(ops::cross_entropy(logits, labels, true, -100).loss.item() ==
          ops::cross_entropy(single(logits), labels, true, -100).loss.item());
  }
  // p of the label is 1 - 4.8e-3: rounded to bf16 before 1 is taken off, its gradient would be -3.9e-3 or -7.8e-3. The
  // f32 sum of exponentials is within 2e-7, that is 4e-5 of the gradient.
  std::vector<double> sure(40, -9);
  sure[3] = 0;
  const Tensor logits = rounded(Tensor::from(sure, {1, 40})), label = Tensor::from(std::vector<int64_t>{3});
  const Tensor norm = ops::cross_entropy(logits, label, true, -100).log_sum_exp;
  const double gradient = values_of(ops::cross_entropy_backward(1, logits, label, norm, -100))[3];
  CHECK(std::abs(gradient / (-39 * std::exp(-9) / (1 + 39 * std::exp(-9))) - 1) <= kRounding + 4e-5);
}

TEST_CASE("bf16: binary cross-entropy with f32 targets") {
  const Tensor logits = uniform({7, 45}, -6, 6, 1), targets = single(uniform({7, 45}, 0, 1, 2));
  check_op(
      "bce_with_logits",
      [&](Inputs in) {
        return bce_with_logits(in[0], in[0].dtype() == DType::f64 ? wide(targets) : targets, Reduction::mean);
      },
      {logits}, 0, DType::f32);
  CHECK_THROWS_WITH_AS(bce_with_logits(Variable(logits), rounded(targets)),
                       "bce_with_logits: targets are bf16 [7, 45], expected f32 [7, 45]", Error);
}

TEST_CASE("bf16: a value that is not finite is found") {
  Tensor x = uniform({100}, -2, 2, 1);
  CHECK(all_finite(x));
  x.select(0, 99).copy_(Tensor::scalar(INFINITY, DType::bf16));
  CHECK_FALSE(all_finite(x));
}

}  // namespace tessera::bf16_ops_test
