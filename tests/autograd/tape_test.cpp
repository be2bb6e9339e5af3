#include "autograd/tape.h"

#include <doctest/doctest.h>

#include <vector>

#include "autograd/functions.h"
#include "autograd/gradcheck.h"

namespace tessera::tape_test {

namespace {

using Doubles = std::vector<double>;

Variable leaf(const Doubles& values) { return Variable(Tensor::from(values), true); }
Doubles grad_of(const Variable& v) { return v.grad().to_vector<double>(); }

}  // namespace

TEST_CASE("tape: a chain, by hand") {
  const Variable x = leaf({0.5, 2});
  const Variable y = sum(square(x) * 3.0 + x);
  y.backward();
  CHECK(y.value().item() == doctest::Approx(3 * 0.25 + 0.5 + 3 * 4 + 2));
  CHECK(grad_of(x) == Doubles{4, 13});
}

TEST_CASE("tape: gradients accumulate until they are cleared") {
  Variable x = leaf({1, 2});
  CHECK_FALSE(x.grad().defined());
  CHECK(x.grad_is_empty());
  sum(x * 2.0).backward();
  sum(x * 3.0).backward();
  CHECK(grad_of(x) == Doubles{5, 5});
  CHECK_FALSE(x.grad_is_empty());
  x.clear_grad();
  CHECK(x.grad_is_empty());
  sum(square(x)).backward();
  CHECK(grad_of(x) == Doubles{2, 4});
  x.clear_grad();
  CHECK(grad_of(x) == Doubles{0, 0});
}

TEST_CASE("tape: an input used twice by one op, and by several branches") {
  const Variable x = leaf({3, -2});
  sum(x * x).backward();
  CHECK(grad_of(x) == Doubles{6, -4});
  const Variable y = leaf({3, -2});
  const Variable shared = y * 2.0;  // 2y; (2y)² + 2y · y + 2y → 12y + 2
  sum(shared * shared + shared * y + shared).backward();
  CHECK(grad_of(y) == Doubles{38, -22});
  const Variable z = leaf({1});
  Variable doubled = z;
  for (int i = 0; i < 40; ++i) doubled = doubled + doubled;  // 2^40 paths, each node visited once
  doubled.backward();
  CHECK(grad_of(z) == Doubles{0x1p40});
}

TEST_CASE("tape: several outputs, several cotangents") {
  const Variable x = leaf({1, 2, 3});
  const std::vector<Variable> parts =
      record_many("split", {x.value().narrow(0, 0, 1).clone(), x.value().narrow(0, 1, 2).clone()}, {x},
                  [](std::span<const Tensor> dys, GradSlots) -> Grads {
                    const Tensor dx = Tensor::zeros({3}, DType::f64);
                    if (dys[0].defined()) dx.narrow(0, 0, 1).copy_(dys[0]);
                    if (dys[1].defined()) dx.narrow(0, 1, 2).copy_(dys[1]);
                    return {dx};
                  });
  sum(parts[1]).backward();  // nothing arrives at the first output
  CHECK(grad_of(x) == Doubles{0, 1, 1});
  const Variable y = leaf({2});
  const std::vector<Variable> outputs = {y * 3.0, square(y)};
  const std::vector<Tensor> cotangents = {Tensor::from(Doubles{10}), Tensor::from(Doubles{1})};
  backward(outputs, cotangents);
  CHECK(grad_of(y) == Doubles{34});
}

TEST_CASE("tape: broadcast gradients are summed to the input's shape") {
  const Variable bias = leaf({1, 2}), x(random_normal({3, 4, 2}, 1), true);
  sum(x + bias).backward();
  CHECK(grad_of(bias) == Doubles{12, 12});
  CHECK(x.grad().shape() == x.shape());
}

TEST_CASE("tape: what is recorded") {
  const Variable x = leaf({1}), constant(Tensor::from(Doubles{2}));
  CHECK((x * constant).requires_grad());
  CHECK_FALSE((x * constant).is_leaf());
  CHECK_FALSE((constant * constant).requires_grad());
  CHECK_FALSE((x * 2.0).detach().requires_grad());
  {
    const NoGrad guard;
    CHECK_FALSE(grad_enabled());
    CHECK_FALSE((x * 2.0).requires_grad());
    {
      const EnableGrad inner;
      CHECK((x * 2.0).requires_grad());
    }
    CHECK_FALSE(grad_enabled());
  }
  CHECK(grad_enabled());
  (x * constant).backward();
  CHECK_FALSE(constant.grad().defined());
}

TEST_CASE("tape: closures are dropped as backward proceeds, and only they keep values alive") {
  const Variable x = leaf({1, 2});
  std::weak_ptr<Storage> saved, unsaved;
  Variable y;
  {
    const Variable a = x * 2.0;  // nothing reads a again
    unsaved = a.value().storage();
    const Variable b = exp(a);  // exp saves its result
    saved = b.value().storage();
    y = sum(b);
  }
  CHECK(unsaved.expired());
  CHECK_FALSE(saved.expired());
  y.backward();
  CHECK(saved.expired());
}

TEST_CASE("tape: gradients go to the storage that was given") {
  Tensor arena = Tensor::full({5}, 99, DType::f64);
  Variable x = leaf({1, 2});
  x.set_grad_storage(arena.narrow(0, 2, 2));
  CHECK(x.grad_is_empty());
  sum(square(x)).backward();  // its old contents do not count
  CHECK(arena.to_vector<double>() == Doubles{99, 99, 2, 4, 99});
  sum(x * 10.0).backward();
  CHECK(arena.to_vector<double>() == Doubles{99, 99, 12, 14, 99});
  x.clear_grad();
  sum(x + x).backward();
  CHECK(arena.to_vector<double>() == Doubles{99, 99, 2, 2, 99});
}

TEST_CASE("tape: a closure may write into a leaf's place itself") {
  Variable x = leaf({1, 2});
  bool accumulated = false;
  const auto tripled = [&](const Variable& v) {
    return record("tripled", v.value(), {v}, [&](const Tensor& dy, GradSlots slots) -> Grads {
      REQUIRE(slots[0].target.defined());
      accumulated = slots[0].accumulate;
      const Doubles old = slots[0].accumulate ? slots[0].target.to_vector<double>() : Doubles{0, 0};
      const Doubles d = dy.to_vector<double>();
      slots[0].target.copy_(Tensor::from(Doubles{old[0] + 3 * d[0], old[1] + 3 * d[1]}));
      slots[0].written = true;
      return {Tensor{}};
    });
  };
  x.set_grad_storage(Tensor::full({2}, 77, DType::f64));
  sum(tripled(x)).backward();
  CHECK_FALSE(accumulated);
  CHECK(grad_of(x) == Doubles{3, 3});
  sum(tripled(x)).backward();
  CHECK(accumulated);
  CHECK(grad_of(x) == Doubles{6, 6});
}

TEST_CASE("tape: a chain of a million nodes is built, run and freed") {
  const Variable x(Tensor::from(Doubles{1}), true);
  const auto chain = [&](int length) {
    Variable y = x;
    const Tensor value = x.value();
    for (int i = 0; i < length; ++i)
      y = record("step", value, {y}, [](const Tensor& dy, GradSlots) -> Grads { return {dy}; });
    return y;
  };
  { const Variable dropped = chain(1000000); }  // recursion would overflow the stack
  chain(1000000).backward();
  CHECK(grad_of(x) == Doubles{1});
}

// A closure may run a forward and a backward of its own; the outer run goes on undisturbed.
TEST_CASE("tape: nested backward") {
  const Variable x = leaf({2, 3});
  const Variable y = record("nested", square(x).value(), {x}, [v = x.value()](const Tensor& dy, GradSlots) -> Grads {
    const EnableGrad guard;
    const Variable inner(v, true);
    square(inner).backward(dy);
    return {inner.grad()};
  });
  sum(y * 5.0 + x).backward();
  CHECK(grad_of(x) == Doubles{21, 31});
}

TEST_CASE("tape: checkpoint gives the same gradients and keeps no intermediate") {
  const auto block = [](const Variable& w) {
    return [w](std::span<const Variable> in) { return std::vector<Variable>{tanh(in[0] * w) + exp(in[0] * in[1])}; };
  };
  const Tensor x = random_normal({3, 4}, 1), z = random_normal({3, 4}, 2), w = random_normal({4}, 3);
  const Variable x1(x, true), z1(z, true), w1(w, true);
  const std::vector<Variable> plain_inputs = {x1, z1};
  sum(square(block(w1)(plain_inputs)[0])).backward();
  const Variable x2(x, true), z2(z, true), w2(w, true);
  const std::vector<Variable> outputs = checkpoint(block(w2), {x2, z2}, {w2});
  sum(square(outputs[0])).backward();
  CHECK(grad_of(x1) == grad_of(x2));
  CHECK(grad_of(z1) == grad_of(z2));
  CHECK(grad_of(w1) == grad_of(w2));
  // Reached through its parameters even where no input needs a gradient.
  const Variable w3(w, true);
  sum(square(checkpoint(block(w3), {Variable(x), Variable(z)}, {w3})[0])).backward();
  CHECK(grad_of(w3) == grad_of(w1));
}

TEST_CASE("tape: a second backward is an error") {
  const Variable x = leaf({1});
  const Variable y = exp(x);
  y.backward();
  CHECK_THROWS_WITH_AS(
      y.backward(), "backward: the graph of 'exp' was freed by an earlier backward; run the forward pass again", Error);
}

TEST_CASE("tape: a change after forward is an error that names the op and the input") {
  Variable x = leaf({1, 2});
  const Variable w = leaf({3, 4});
  const Variable y = sum(mul(w, x));
  x.mutable_value().fill_(5);
  CHECK_THROWS_WITH_AS(y.backward(), "mul: input 1 was modified after forward", Error);
  Variable z = exp(w);
  const Variable s = sum(z);
  z.mutable_value().mutable_data<double>()[0] = 0;
  CHECK_THROWS_WITH_AS(s.backward(), "sum: input 0 was modified after forward", Error);
  const Variable last = exp(w);
  Tensor alias = last.value().narrow(0, 0, 1);
  alias.fill_(0);
  CHECK_THROWS_WITH_AS(last.backward(Tensor::from(Doubles{1, 1})), "exp: output 0 was modified after forward", Error);
}

TEST_CASE("tape: errors") {
  const Variable x = leaf({1, 2});
  CHECK_THROWS_WITH_AS((x * 2.0).backward(), doctest::Contains("only a single element has an implicit gradient of 1"),
                       Error);
  CHECK_THROWS_WITH_AS((x * 2.0).backward(Tensor::zeros({3}, DType::f64)),
                       "backward: cotangent is f64 [3], expected f64 [2]", Error);
  CHECK_THROWS_WITH_AS(Variable(Tensor::scalar(1)).backward(), "backward: the variable does not require a gradient",
                       Error);
  CHECK_THROWS_WITH_AS(Variable(Tensor::zeros({2}, DType::i64), true),
                       "variable: a tensor of dtype i64 cannot require a gradient", Error);
  CHECK_THROWS_WITH_AS(record("op", x.value(), {x}, Backward{}), "op: recorded without a backward closure", Error);
  const Variable wrong_count = record("op", x.value(), {x}, [](const Tensor&, GradSlots) -> Grads { return {}; });
  CHECK_THROWS_WITH_AS(sum(wrong_count).backward(), "op: backward returned 0 gradients for 1 inputs", Error);
  const Variable wrong_type =
      record("op", x.value(), {x}, [](const Tensor& dy, GradSlots) -> Grads { return {dy.to(DType::f32)}; });
  CHECK_THROWS_WITH_AS(sum(wrong_type).backward(), "op: gradient has dtype f32, expected f64", Error);
  const Variable wrong_shape =
      record("op", x.value(), {x}, [](const Tensor&, GradSlots) -> Grads { return {Tensor::zeros({3}, DType::f64)}; });
  CHECK_THROWS_WITH_AS(sum(wrong_shape).backward(), "sum_to: [3] cannot be the broadcast of [2]", Error);
  Variable y = leaf({1, 2});
  CHECK_THROWS_WITH_AS(y.set_grad_storage(Tensor::zeros({2})),
                       "set_grad_storage: got f32 [2], expected contiguous f64 [2]", Error);
  Variable result = y * 2.0;
  CHECK_THROWS_WITH_AS(result.set_grad_storage(Tensor::zeros({2}, DType::f64)),
                       "set_grad_storage: not a leaf that requires a gradient", Error);
}

}  // namespace tessera::tape_test
