#include "nn/gru.h"

#include <doctest/doctest.h>

#include "autograd/gradcheck.h"

namespace tessera::gru_layers_test {

namespace {

std::vector<std::string> names_of(GruLayers layers) {
  std::vector<std::string> names;
  layers.visit("rnn", [&](const std::string& name, Variable&) { names.push_back(name); });
  return names;
}

GruLayers random_layers(const GruOptions& options) {
  GruLayers layers(options);
  uint64_t seed = 0;
  layers.visit("", [&](const std::string&, Variable& parameter) {
    parameter = Variable(random_normal(parameter.shape(), ++seed), true);
  });
  return layers;
}

}  // namespace

TEST_CASE("gru layers: torch's names and sizes") {
  CHECK(names_of(GruLayers({.input = 3, .hidden = 2})) ==
        std::vector<std::string>{"rnn.weight_ih_l0", "rnn.weight_hh_l0", "rnn.bias_ih_l0", "rnn.bias_hh_l0"});
  const GruLayers both({.input = 3, .hidden = 2, .layers = 2, .bidirectional = true, .bias = false});
  CHECK(names_of(both) == std::vector<std::string>{"rnn.weight_ih_l0", "rnn.weight_hh_l0", "rnn.weight_ih_l0_reverse",
                                                   "rnn.weight_hh_l0_reverse", "rnn.weight_ih_l1", "rnn.weight_hh_l1",
                                                   "rnn.weight_ih_l1_reverse", "rnn.weight_hh_l1_reverse"});
  CHECK(both.directions[2].weight_ih.shape() == Shape{6, 4});
}

TEST_CASE("gru layers are their composition from the op") {
  const GruLayers layers = random_layers({.input = 3, .hidden = 2, .layers = 2, .bidirectional = true});
  const Tensor marks = Tensor::from(std::vector<int64_t>{0, 3, 3, 5});
  const Variable x(random_normal({5, 3}, 50));
  const GruLayers::States states = layers(x, marks);
  Variable expected = x;
  std::vector<Variable> last;
  for (size_t layer = 0; layer < 2; ++layer) {
    std::vector<Variable> sides;
    for (const bool reverse : {false, true}) {
      const GruLayer& one = layers.directions[2 * layer + (reverse ? 1 : 0)];
      const Gru side =
          gru(expected, one.weight_ih, one.weight_hh, one.bias_ih, one.bias_hh, marks, Variable{}, reverse);
      sides.push_back(side.output);
      last.push_back(side.last);
    }
    expected = concatenate(sides, 1);
  }
  CHECK(states.output.value().to_vector<double>() == expected.value().to_vector<double>());
  REQUIRE(states.last.size() == 4);
  for (size_t i = 0; i < 4; ++i)
    CHECK(states.last[i].value().to_vector<double>() == last[i].value().to_vector<double>());
  CHECK_THROWS_WITH(layers(x, marks, {x}), "gru: h0 has 1 parts, expected 4");
}

}  // namespace tessera::gru_layers_test
