#include <doctest/doctest.h>

#include <cmath>

#include "autograd/gradcheck.h"
#include "nn/batch_norm.h"
#include "nn/conv2d.h"

namespace tessera::convolution_layers_test {

namespace {

std::vector<std::string> names_of(auto& layer) {
  std::vector<std::string> names;
  layer.visit("part", [&names](const std::string& name, Variable&) { names.push_back(name); });
  return names;
}

struct Block {
  Conv2d conv{3, 4, 3, {.padding = 1}, false};
  BatchNorm2d bn{4};

  void visit(const std::string& prefix, const ParameterVisitor& visitor) {
    conv.visit(join_name(prefix, "conv"), visitor);
    bn.visit(join_name(prefix, "bn"), visitor);
  }
};

std::vector<double> values(const Variable& x) { return x.value().to(DType::f64).to_vector<double>(); }

}  // namespace

TEST_CASE("conv2d layer: its op, the sizes of its weight, its names") {
  Conv2d conv(4, 6, {3, 2}, {.stride = 2, .padding = 1, .groups = 2});
  CHECK(conv.weight.shape() == Shape{6, 2, 3, 2});
  CHECK(names_of(conv) == std::vector<std::string>{"part.weight", "part.bias"});
  conv.weight = Variable(random_normal({6, 2, 3, 2}, 1, DType::f32), true);
  conv.bias = Variable(random_normal({6}, 2, DType::f32), true);
  const Variable x(random_normal({2, 4, 5, 7}, 3, DType::f32), true);
  CHECK(values(conv(x)) == values(conv2d(x, conv.weight, conv.bias, conv.settings)));
  Conv2d plain(4, 6, 1, {}, false);
  CHECK(names_of(plain) == std::vector<std::string>{"part.weight"});
  CHECK_THROWS_WITH_AS(Conv2d(4, 6, 1, {.groups = 4}),
                       "conv2d: 4 groups of 4 input and 6 output channels, expected a divisor of both", Error);
}

TEST_CASE("batch norm layer: training moves its running statistics, else and when frozen it is normalised by them") {
  BatchNorm2d bn(3);
  CHECK(names_of(bn) == std::vector<std::string>{"part.weight", "part.bias", "part.running_mean", "part.running_var"});
  const Variable x(random_normal({2, 3, 4, 5}, 1, DType::f32), true);
  const RunningStatistics start{Tensor::zeros({3}), Tensor::full({3}, 1)};
  CHECK(values(bn(x, false)) == values(batch_norm(x, bn.weight, bn.bias, start, 1e-5)));
  bn.frozen = true;
  CHECK(values(bn(x, true)) == values(batch_norm(x, bn.weight, bn.bias, start, 1e-5)));
  CHECK(values(bn.running_mean) == std::vector<double>(3, 0));
  bn.frozen = false;
  RunningStatistics expected{Tensor::zeros({3}), Tensor::full({3}, 1)};
  CHECK(values(bn(x, true)) == values(batch_norm(x, bn.weight, bn.bias, 1e-5, &expected, 0.1)));
  CHECK(values(bn.running_mean) == values(Variable(expected.mean)));
  CHECK(values(bn.running_var) == values(Variable(expected.variance)));
  CHECK(values(bn.running_mean) != std::vector<double>(3, 0));
}

TEST_CASE("batch norm layer: backward uses the statistics of its own pass, though the running ones have moved since") {
  BatchNorm2d bn(2);
  const Variable x(random_normal({3, 2, 4}, 1, DType::f32), true);
  const Variable y = bn(x, false);
  bn(Variable(random_normal({3, 2, 4}, 2, DType::f32)), true);
  y.backward(Tensor::full({3, 2, 4}, 1));
  CHECK(x.grad().to_vector<float>()[0] == doctest::Approx(1 / std::sqrt(1 + 1e-5)));
}

TEST_CASE("parameter set: buffers are state, have no gradient and no place in the arena") {
  Block block;
  ParameterSet set(block, DType::f64, "net");
  CHECK(set.names() == std::vector<std::string>{"net.conv.weight", "net.bn.weight", "net.bn.bias"});
  CHECK(set.total() == 4 * 3 * 9 + 8);
  CHECK(set.find("net.bn.running_mean") == nullptr);
  CHECK_FALSE(block.bn.running_mean.requires_grad());
  CHECK(block.bn.running_mean.dtype() == DType::f64);
  CHECK(set.state().size() == 5);

  block.bn(block.conv(Variable(random_normal({2, 3, 5, 5}, 1))), true);
  CHECK(set.state().at("net.bn.running_var").to_vector<double>()[0] != 1);  // the model's own, not a copy

  Block other;
  ParameterSet copy(other, DType::f64, "net");
  std::map<std::string, Tensor> state = set.state();
  copy.load_state(state, "file");
  CHECK(values(other.bn.running_var) == values(block.bn.running_var));
  state.erase("net.bn.running_mean");
  CHECK_THROWS_WITH_AS(copy.load_state(state, "file"),
                       "file: does not fit the model:\n  missing: net.bn.running_mean, expected [4]", Error);
}

TEST_CASE("parameter set: a buffer that is visited twice is an error") {
  struct Twice {
    Variable a = buffer({2}, 0), b = a;
    std::string name = "b";
    void visit(const std::string&, const ParameterVisitor& visitor) {
      visitor("a", a);
      visitor(name, b);
    }
  };
  Twice shared, named;
  CHECK_THROWS_WITH_AS(ParameterSet{shared},
                       "parameters: 'b' is the same variable as 'a'; a shared buffer is visited once", Error);
  named.b = buffer({2}, 0);
  named.name = "a";
  CHECK_THROWS_WITH_AS(ParameterSet{named}, "parameters: the name 'a' occurs twice", Error);
}

}  // namespace tessera::convolution_layers_test
