#include "nn/adamw.h"

#include <doctest/doctest.h>

#include <cmath>

#include "autograd/gradcheck.h"
#include "autograd/tape.h"
#include "nn/linear.h"

namespace tessera::adamw_test {

namespace {

struct Layers {
  Linear body{5, 4}, head{4, 3};
  void visit(const std::string& prefix, const ParameterVisitor& visitor) {
    body.visit(join_name(prefix, "body"), visitor);
    head.visit(join_name(prefix, "head"), visitor);
  }
};

struct Model {
  Layers layers;
  ParameterSet set;
  explicit Model(DType dtype = DType::f64) : set(layers, dtype) {
    uint64_t seed = 1;
    for (const auto& slot : set.slots()) {
      Variable parameter = slot.parameter;
      parameter.mutable_value().copy_(random_normal(parameter.shape(), seed++));
    }
  }
  // Puts a gradient into each of the named places, as backward would.
  void give_gradients(uint64_t seed, const std::vector<std::string>& names) {
    set.clear_gradients();
    for (const std::string& name : names) {
      const Variable& parameter = set.at(name);
      const Variable out =
          record("probe", Tensor::scalar(0, parameter.dtype()), {parameter}, [&](const Tensor&, GradSlots) -> Grads {
            return {random_normal(parameter.shape(), seed).to(parameter.dtype())};
          });
      out.backward();
    }
  }
  double element(const std::string& name, int64_t index) const {
    return set.at(name).value().to(DType::f64).to_vector<double>()[static_cast<size_t>(index)];
  }
};

const std::vector<std::string> kAll{"body.weight", "body.bias", "head.weight", "head.bias"};

ParameterGroup fast_head(const std::string& name, const Variable& parameter) {
  ParameterGroup group = default_group(name, parameter);
  if (name.starts_with("head.")) group.learning_rate_multiplier = 10;
  return group;
}

}  // namespace

// The first update of the torch variant is p (1 - lr wd) - lr g / (|g| + eps): it shows each group's decay and rate.
TEST_CASE("AdamW: decay skips vectors, multipliers act") {
  Model model, start;
  model.give_gradients(9, kAll);
  AdamW optimiser(model.set, {.eps = 1e-8, .weight_decay = 0.5}, fast_head);
  optimiser.step(0.01);
  CHECK(optimiser.updates() == 1);
  for (const std::string& name : kAll) {
    const double rate = name.starts_with("head.") ? 0.1 : 0.01, decay = name.ends_with(".bias") ? 0 : 0.5;
    const double g = random_normal(start.set.at(name).shape(), 9).to_vector<double>()[2];
    const double expected = start.element(name, 2) * (1 - rate * decay) - rate * g / (std::abs(g) + 1e-8);
    CHECK(model.element(name, 2) == doctest::Approx(expected).epsilon(1e-13));
  }
}

TEST_CASE("AdamW: untrained parameters neither decay nor move and have no state") {
  Model model, start;
  AdamW optimiser(model.set, {.weight_decay = 0.5}, default_group, std::set<std::string>{"body.weight", "head.bias"});
  CHECK(optimiser.trained() == std::vector<std::string>{"body.weight", "head.bias"});
  for (uint64_t t = 0; t < 3; ++t) {
    model.give_gradients(t, kAll);
    optimiser.step(0.1);
  }
  for (int64_t i = 0; i < 3; ++i) {
    CHECK(model.element("head.weight", i) == start.element("head.weight", i));
    CHECK(model.element("body.bias", i) == start.element("body.bias", i));
    CHECK(model.element("body.weight", i) != start.element("body.weight", i));
    CHECK(model.element("head.bias", i) != start.element("head.bias", i));
  }
  CHECK(optimiser.state().size() == 5);
  CHECK(optimiser.state().count("exp_avg.head.bias") == 1);
  CHECK_THROWS_WITH(AdamW(model.set, {}, default_group, std::set<std::string>{"tail"}),
                    "adamw: there is no parameter 'tail' to train");
}

TEST_CASE("AdamW: a gradient that never arrived counts as zero, whatever the memory holds") {
  Model model, same;
  AdamW a(model.set, {.weight_decay = 0}), b(same.set, {.weight_decay = 0});
  model.give_gradients(1, kAll);
  a.step(0);  // leaves numbers in the arena
  same.give_gradients(1, kAll);
  b.step(0);
  model.give_gradients(2, {"body.weight"});
  same.give_gradients(2, {"body.weight"});
  for (const std::string name : {"body.bias", "head.weight", "head.bias"})
    CHECK(same.set.at(name).grad().to_vector<double>()[0] == 0);
  a.step(0.1);
  b.step(0.1);
  for (const std::string& name : kAll) CHECK(model.element(name, 1) == same.element(name, 1));
}

TEST_CASE("AdamW: an update counts as a modification of what it wrote, and of nothing else") {
  Model model;
  AdamW optimiser(model.set, {}, default_group, std::set<std::string>{"body.weight"});
  const uint64_t trained = model.set.at("body.weight").value().version(),
                 other = model.set.at("head.weight").value().version();
  optimiser.step(0.1);
  CHECK(model.layers.body.weight.value().version() > trained);
  CHECK(model.layers.head.weight.value().version() == other);
}

TEST_CASE("AdamW: a run continued from a saved state gives the same bits") {
  for (const AdamWVariant variant : {AdamWVariant::torch, AdamWVariant::transformers}) {
    const AdamWOptions options{.variant = variant};
    Model whole(DType::f32), first(DType::f32), second(DType::f32);
    AdamW uninterrupted(whole.set, options), before(first.set, options), after(second.set, options);
    const auto update = [](Model& model, AdamW& optimiser, uint64_t t) {
      model.give_gradients(t, kAll);
      optimiser.step(0.01 * static_cast<double>(t), 0.5);
    };
    for (uint64_t t = 0; t < 6; ++t) update(whole, uninterrupted, t);
    for (uint64_t t = 0; t < 3; ++t) update(first, before, t);
    second.set.load_state(first.set.state(), "saved");
    after.load_state(before.state(), "saved");
    CHECK(after.updates() == 3);
    for (uint64_t t = 3; t < 6; ++t) update(second, after, t);
    CHECK(second.set.values().to_vector<float>() == whole.set.values().to_vector<float>());
  }
}

TEST_CASE("AdamW: states and options that are refused") {
  Model model;
  AdamW optimiser(model.set, {});
  auto state = optimiser.state();
  for (auto& [name, tensor] : state) tensor = tensor.clone();
  auto bad = state;
  bad.erase("step");
  CHECK_THROWS_WITH(optimiser.load_state(bad, "file"), "file: 'step' is missing or not one i64");
  bad = state;
  bad.at("step") = Tensor::from(std::vector<int64_t>{-1}, {});
  CHECK_THROWS_WITH(optimiser.load_state(bad, "file"), "file: step is -1, expected at least 0");
  bad = state;
  bad.erase("exp_avg.head.bias");
  bad.emplace("exp_avg.tail", Tensor::zeros({1}));
  CHECK_THROWS_WITH(optimiser.load_state(bad, "file"),
                    "file: does not fit the optimiser:\n  missing: exp_avg.head.bias, expected [3]\n"
                    "  unexpected: exp_avg.tail [1]");
  bad = state;
  bad.at("exp_avg_sq.head.bias").fill_(-2);
  CHECK_THROWS_WITH(optimiser.load_state(bad, "file"), "file: exp_avg_sq.head.bias holds -2, expected a number >= 0");

  CHECK_THROWS_WITH(AdamW(model.set, {.beta1 = 1}), "adamw: beta1 is 1, expected 0 <= beta1 < 1");
  CHECK_THROWS_WITH(AdamW(model.set, {.beta2 = -1}), "adamw: beta2 is -1, expected 0 <= beta2 < 1");
  CHECK_THROWS_WITH(AdamW(model.set, {.eps = 0}), "adamw: eps is 0, expected a number > 0");
  CHECK_THROWS_WITH(AdamW(model.set, {.weight_decay = -1}), "adamw: weight decay is -1, expected a number >= 0");
  CHECK_THROWS_WITH(AdamW(model.set, {},
                          [](const std::string&, const Variable&) {
                            return ParameterGroup{true, -1};
                          }),
                    "adamw: 'body.weight': learning-rate multiplier is -1, expected a number >= 0");
}

}  // namespace tessera::adamw_test
