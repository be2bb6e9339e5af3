#include "nn/parameter.h"

#include <doctest/doctest.h>

#include <cmath>

#include "autograd/gradcheck.h"
#include "autograd/tape.h"

namespace tessera::parameter_test {

namespace {

struct Pair {
  Variable first{Tensor::from(std::vector<float>{1, 2, 3}), true};
  Variable second{Tensor::from(std::vector<float>{4, 5, 6, 7}, {2, 2}), true};
  std::string second_name = "second";

  void visit(const std::string& prefix, const ParameterVisitor& visitor) {
    visitor(join_name(prefix, "first"), first);
    visitor(join_name(prefix, second_name), second);
  }
};

// y = 2x, written into the place of the gradient where there is one, as a kernel would.
Variable twice(const Variable& x) {
  const auto doubled = [](const Tensor& t) {
    std::vector<float> values = t.to_vector<float>();
    for (float& v : values) v *= 2;
    return Tensor::from(values, t.shape());
  };
  return record("twice", doubled(x.value()), {x},
                [doubled](const Tensor& dy, GradSlots) -> Grads { return {doubled(dy)}; });
}

}  // namespace

TEST_CASE("parameter set: values move into one arena and the model's variables with them") {
  Pair pair;
  ParameterSet set(pair, DType::f32, "model");
  CHECK(set.names() == std::vector<std::string>{"model.first", "model.second"});
  CHECK(set.total() == 7);
  CHECK(set.values().numel() == 32);  // two slots of 64 bytes
  CHECK(set.slots()[1].offset == 16);
  CHECK(pair.first.value().storage() == set.values().storage());
  CHECK(pair.second.value().storage() == set.values().storage());
  CHECK(pair.second.value().to_vector<float>() == std::vector<float>{4, 5, 6, 7});
  CHECK(set.at("model.second").shape() == Shape{2, 2});
  CHECK(set.find("second") == nullptr);
  CHECK_THROWS_WITH(set.at("second"), "parameters: there is no 'second'");

  // Each is a root of its own: writing one does not count as writing the other.
  const uint64_t other = pair.second.value().version();
  pair.first.mutable_value().fill_(9);
  CHECK(pair.second.value().version() == other);
  CHECK(set.at("model.first").value().version() == pair.first.value().version());
  CHECK(set.values().to_vector<float>()[2] == 9);
}

TEST_CASE("parameter set: f64 converts") {
  Pair pair;
  ParameterSet set(pair, DType::f64);
  CHECK(pair.first.dtype() == DType::f64);
  CHECK(pair.first.requires_grad());
  CHECK(pair.first.value().to_vector<double>() == std::vector<double>{1, 2, 3});
  CHECK(set.slots()[1].offset == 8);
}

TEST_CASE("parameter set: what cannot be collected") {
  Pair pair;
  pair.second_name = "first";
  CHECK_THROWS_WITH(ParameterSet{pair}, "parameters: the name 'first' occurs twice");
  Pair empty;
  empty.first = Variable();
  CHECK_THROWS_WITH(ParameterSet{empty}, "parameters: 'first' has no value");
  Pair tied;
  tied.second = tied.first;
  CHECK_THROWS_WITH(ParameterSet{tied},
                    "parameters: 'second' is the same variable as 'first'; a shared parameter is visited once");
  Pair integer;
  integer.first = Variable(Tensor::zeros({2}, DType::i64));
  CHECK_THROWS_WITH(ParameterSet{integer}, "parameters: 'first' is i64, expected a floating type");
  Pair pair2;
  CHECK_THROWS_WITH(ParameterSet(pair2, DType::bf16), "parameters: dtype is bf16, expected f32 or f64");
}

TEST_CASE("parameter set: gradients arrive in the arena, add up, and are cleared without a pass") {
  Pair pair;
  ParameterSet set(pair);
  const auto run = [&](float by) { twice(pair.first).backward(Tensor::full({3}, by)); };
  run(1);
  run(10);
  CHECK(set.reached() == std::vector<std::string>{"first"});
  CHECK(pair.first.grad().storage() == set.gradients().storage());
  CHECK(pair.first.grad().to_vector<float>() == std::vector<float>{22, 22, 22});
  CHECK(set.global_norm() == doctest::Approx(22 * std::sqrt(3.0)).epsilon(1e-15));
  set.clear_gradients();
  CHECK(set.reached().empty());
  // The memory still holds the old gradient, which counts as nothing.
  CHECK(set.gradients().to_vector<float>()[0] == 22);
  run(2);
  CHECK(pair.first.grad().to_vector<float>() == std::vector<float>{4, 4, 4});
  set.clear_gradients();
  CHECK(set.global_norm() == 0);
  CHECK(set.gradients().to_vector<float>() == std::vector<float>(32, 0.0f));
}

TEST_CASE("parameter set: states are loaded whole or not at all") {
  Pair pair;
  ParameterSet set(pair);
  std::map<std::string, Tensor> state = set.state();
  for (auto& [name, tensor] : state) tensor = tensor.clone();
  state.at("first").fill_(0.5);
  state.at("second") = Tensor::from(std::vector<double>{1, 2, 3, 4.5}, {2, 2});  // converted
  const uint64_t before = pair.first.value().version();
  set.load_state(state, "file");
  CHECK(pair.first.value().to_vector<float>() == std::vector<float>{0.5, 0.5, 0.5});
  CHECK(pair.second.value().to_vector<float>() == std::vector<float>{1, 2, 3, 4.5});
  CHECK(pair.first.value().version() > before);

  std::map<std::string, Tensor> bad{{"second", Tensor::zeros({4})}, {"third", Tensor::zeros({1, 2})}};
  CHECK_THROWS_WITH(set.load_state(bad, "file"),
                    "file: does not fit the model:\n"
                    "  missing: first, expected [3]\n"
                    "  shape: second is [4], expected [2, 2]\n"
                    "  unexpected: third [1, 2]");
  bad = {{"first", Tensor::full({3}, 7)}, {"second", Tensor::zeros({2, 2}, DType::i64)}};
  CHECK_THROWS_WITH(set.load_state(bad, "file"),
                    "file: does not fit the model:\n  type: second is i64, expected a floating type");
  CHECK(pair.first.value().to_vector<float>() == std::vector<float>{0.5, 0.5, 0.5});
}

}  // namespace tessera::parameter_test
