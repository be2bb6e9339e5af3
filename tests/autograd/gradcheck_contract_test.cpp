// Ops that are right in values and wrong by the contract of autograd/tape.h, and their right twins.
#include <doctest/doctest.h>

#include "autograd/functions.h"
#include "autograd/gradcheck.h"
#include "autograd/tape.h"
#include "tests/error_text.h"

namespace tessera::gradcheck_contract_test {
namespace {

using Inputs = std::span<const Variable>;
using Finish = std::function<Grads(const Tensor& right, GradSlots slots)>;

// x² with a backward that ends as `finish` says.
Variable square_by(const Variable& x, const Finish& finish) {
  const Tensor value = x.value();
  return record("square_by", square(Variable(value)).value(), {x},
                [value, finish](const Tensor& dy, GradSlots slots) -> Grads {
                  return finish((Variable(dy) * Variable(value) * 2).value(), slots);
                });
}

Grads overwrite(const Tensor& right, GradSlots slots) {
  if (!slots[0].target.defined()) return {right};
  slots[0].target.copy_(right);
  slots[0].written = true;
  return {Tensor()};
}

Grads hand_back(const Tensor& right, GradSlots) { return {right}; }

// a · b; `careless`: the gradient of a is wrong where b needs none.
Variable product(const Variable& a, const Variable& b, bool careless) {
  const Tensor u = a.value(), v = b.value();
  return record("product", (Variable(u) * Variable(v)).value(), {a, b},
                [u, v, careless](const Tensor& dy, GradSlots slots) -> Grads {
                  const Tensor du = (Variable(dy) * Variable(v)).value(), dv = (Variable(dy) * Variable(u)).value();
                  return {careless && !slots[1].needed ? dv : du, dv};
                });
}

}  // namespace

TEST_CASE("gradcheck: an op that overwrites a gradient instead of adding to it is refused, however it is used") {
  const Tensor x = random_normal({4}, 1);
  const std::function<Variable(Inputs, const Finish&)> uses[] = {
      [](Inputs v, const Finish& finish) { return square_by(v[0], finish); },
      [](Inputs v, const Finish& finish) {
        const Variable first = square_by(v[0], finish);
        return first + square(v[0]);
      },
      [](Inputs v, const Finish& finish) {
        const Variable first = square(v[0]);
        return first + square_by(v[0], finish);
      }};
  for (const auto& use : uses) {
    CHECK(gradcheck_one([&](Inputs v) { return use(v, hand_back); }, {x}));
    const GradcheckReport report = gradcheck_one([&](Inputs v) { return use(v, overwrite); }, {x});
    CHECK_FALSE(report);
    CHECK(report.message().find("where gradients are there already, backward gives") != std::string::npos);
  }
}

TEST_CASE("gradcheck: an op that is wrong where another input needs no gradient is refused") {
  const Tensor x = random_normal({4}, 1), y = random_normal({4}, 2);
  CHECK(gradcheck_one([](Inputs v) { return product(v[0], v[1], false); }, {x, y}));
  const GradcheckReport report = gradcheck_one([](Inputs v) { return product(v[0], v[1], true); }, {x, y});
  CHECK_FALSE(report);
  CHECK(report.message().find("input 0, element 0: where input 1 needs no gradient, backward gives") !=
        std::string::npos);
}

TEST_CASE("gradcheck: a function with nothing to compare is an error") {
  const auto none = [](Inputs) { return std::vector<Variable>{}; };
  CHECK(tests::error_of([&] { gradcheck(none, {random_normal({4}, 1)}); }) ==
        "gradcheck: no outputs, so that nothing can be compared");
  CHECK(tests::error_of([&] { gradcheck(none, {}); }) == "gradcheck: no inputs, so that nothing can be compared");
}

}  // namespace tessera::gradcheck_contract_test
