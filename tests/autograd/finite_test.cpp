#include "autograd/finite.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "autograd/functions.h"
#include "autograd/tape.h"

namespace tessera::finite_test {
namespace {

const double kNaN = std::numeric_limits<double>::quiet_NaN();

template <class F>
std::string non_finite(F&& f) {
  try {
    f();
  } catch (const NonFinite& error) {
    return error.what();
  }
  return "no error";
}

Variable leaf(std::vector<double> values) { return Variable(Tensor::from(values), true); }

}  // namespace

TEST_CASE("Scopes nest and end") {
  CHECK(current_scope() == "");
  {
    const NameScope outer("vilt.encoder.layer.", 3);
    CHECK(current_scope() == "vilt.encoder.layer.3");
    {
      const NameScope inner("attention");
      CHECK(current_scope() == "vilt.encoder.layer.3 / attention");
    }
    CHECK(current_scope() == "vilt.encoder.layer.3");
  }
  CHECK(current_scope() == "");
}

TEST_CASE("all_finite looks at every floating element, through views, and at nothing else") {
  CHECK(all_finite(Tensor()));
  CHECK(all_finite(Tensor::from(std::vector<int64_t>{1, 2})));
  CHECK(all_finite(Tensor::zeros({0, 3})));
  for (const DType dtype : {DType::f32, DType::f64, DType::bf16}) {
    for (const double bad : {kNaN, HUGE_VAL, -HUGE_VAL}) {
      Tensor matrix = Tensor::from(std::vector<double>{1, 2, 3, bad, 5, 6}, {2, 3}).to(dtype);
      CHECK_FALSE(all_finite(matrix));
      CHECK_FALSE(all_finite(matrix.transpose(0, 1)));
      CHECK_FALSE(all_finite(matrix.select(1, 0)));
      CHECK(all_finite(matrix.select(1, 1)));
      CHECK(all_finite(matrix.narrow(0, 0, 1)));
    }
  }
}

TEST_CASE("While a guard is alive the first op with a bad output is named, with its scope") {
  const Variable x = leaf({-1, 4});
  const auto run = [&] {
    const NameScope scope("head");
    const Variable a = x * 2.0;
    const Variable b = log(a);  // of -2
    return b + a;               // also bad, but later
  };
  CHECK_FALSE(finite_checks_enabled());
  CHECK(non_finite(run) == "no error");
  {
    const CheckFinite guard;
    CHECK(finite_checks_enabled());
    CHECK(non_finite(run) == "log: output 0 in head is not finite");
    {
      const CheckFinite nested;
      CHECK(finite_checks_enabled());
    }
    CHECK(finite_checks_enabled());
    CHECK(non_finite([&] { log(x); }) == "log: output 0 is not finite");
    const NoGrad no_grad;
    CHECK(non_finite(run) == "log: output 0 in head is not finite");
  }
  CHECK_FALSE(finite_checks_enabled());
}

TEST_CASE("In backward the first op with a bad gradient is named, in the scope where it was recorded") {
  const Variable x = leaf({1e-300, 2e-300});
  const CheckFinite guard;
  const auto run = [&](double factor) {
    Variable y;
    {
      const NameScope scope("block.", 1);
      y = x * factor;
    }
    const NameScope scope("loss");
    sum(y * factor).backward();
  };
  CHECK(non_finite([&] { run(1e100); }) == "no error");
  // 1e-300 · 1e200 · 1e200 = 1e100 is a number, the gradient 1e400 is none.
  CHECK(non_finite([&] { run(1e200); }) == "mul: gradient of input 0 in block.1 is not finite");
}

TEST_CASE("An error leaves no scope and no guard behind") {
  CHECK(non_finite([] {
          const CheckFinite guard;
          const NameScope scope("somewhere");
          log(leaf({-1}));
        }) == "log: output 0 in somewhere is not finite");
  CHECK(current_scope() == "");
  CHECK_FALSE(finite_checks_enabled());
}

}  // namespace tessera::finite_test
