#include "autograd/op_checks.h"

#include <algorithm>
#include <cmath>

#include "autograd/functions.h"
#include "autograd/op_check_list.h"
#include "autograd/tape.h"

namespace tessera {
namespace detail {

Tensor OpCheckList::uniform(const Shape& shape, double low, double high) {
  Random random(seed_, ++draws_);
  std::vector<double> values(static_cast<size_t>(shape.numel()));
  for (double& value : values) value = random.uniform(low, high);
  return Tensor::from(values, shape);
}

Tensor OpCheckList::strided(const Shape& shape) {
  Shape reversed;
  std::vector<int> order;
  for (int i = shape.dim() - 1; i >= 0; --i) {
    reversed.push_back(shape[i]);
    order.push_back(i);
  }
  return normal(reversed).permute(order);
}

void OpCheckList::add_many(const char* name, const char* variant, GradcheckFunction f, std::vector<Tensor> inputs,
                           GradcheckOptions options) {
  options.seed = seed_ + ++draws_;
  checks_.push_back({name, variant, std::move(f), std::move(inputs), options});
}

Tensor marks(const std::vector<int64_t>& lengths) {
  std::vector<int64_t> values{0};
  for (const int64_t length : lengths) values.push_back(values.back() + length);
  return Tensor::from(values);
}

namespace {

using Binary = Variable (*)(const Variable&, const Variable&);
using Unary = Variable (*)(const Variable&);

void add_binary_checks(OpCheckList& list) {
  const std::pair<const char*, Binary> ops[] = {{"add", add}, {"sub", sub}, {"mul", mul}, {"div", div}};
  for (const auto& [name, op] : ops) {
    const auto f = [op = op](Inputs x) { return op(x[0], x[1]); };
    // Denominators stay away from 0, where the central difference of 1/b has no digits left.
    list.add(name, "", f, {list.normal({3, 5}), list.uniform({3, 5}, 0.5, 2)});
    list.add(name, "strided", f, {list.strided({3, 5}), list.uniform({5, 3}, 0.5, 2).transpose(0, 1)});
    list.add(name, "broadcast", f, {list.normal({2, 1, 5}), list.uniform({3, 1}, 0.5, 2)});
    list.add(name, "scalar operand", f, {list.normal({}), list.uniform({7}, 0.5, 2)});
    list.add(name, "operands from one variable", [op = op](Inputs x) { return op(x[0], exp(x[0])); },
             {list.uniform({7}, 0.5, 2)});
    list.add(name, "no elements", f, {list.normal({0, 3}), list.normal({3})});
  }
  list.add("add", "number", [](Inputs x) { return add(x[0], 2.5); }, {list.strided({3, 5})});
  list.add("mul", "number", [](Inputs x) { return mul(x[0], -2.5); }, {list.strided({3, 5})});
  list.add("operator+", "", [](Inputs x) { return (x[0] + x[1]) + 2.0; }, {list.normal({5}), list.normal({5})});
  list.add("operator-", "", [](Inputs x) { return -(x[0] - x[1]) - 2.0; }, {list.normal({5}), list.normal({5})});
  list.add("operator*", "", [](Inputs x) { return 3.0 * (x[0] * x[1]) * 2.0; }, {list.normal({5}), list.normal({5})});
  list.add("operator/", "", [](Inputs x) { return (x[0] / x[1]) / 4.0; },
           {list.normal({5}), list.uniform({5}, 0.5, 2)});
}

void add_unary_checks(OpCheckList& list) {
  const std::pair<const char*, Unary> everywhere[] = {
      {"exp", exp},   {"square", square},        {"tanh", tanh}, {"sigmoid", sigmoid}, {"relu", relu},
      {"gelu", gelu}, {"quick_gelu", quick_gelu}};
  const std::pair<const char*, Unary> positive[] = {{"log", log}, {"sqrt", sqrt}};
  for (const auto& [name, op] : everywhere) {
    const auto f = [op = op](Inputs x) { return op(x[0]); };
    list.add(name, "", f, {list.normal({3, 7})});
    list.add(name, "strided", f, {list.strided({3, 7})});
  }
  for (const auto& [name, op] : positive) {
    const auto f = [op = op](Inputs x) { return op(x[0]); };
    list.add(name, "", f, {list.uniform({3, 7}, 0.5, 2)});
    list.add(name, "strided", f, {list.uniform({7, 3}, 0.5, 2).transpose(0, 1)});
  }
  list.add("relu", "at its kink", [](Inputs x) { return relu(x[0]); },
           {Tensor::from(std::vector<double>{-1, 0, 2, -0.0, 0.5})});
  // Through f32 and back. The op is linear, so a step of 1/2 has no truncation error, and a rounding of 2^-24 per value
  // is a relative error of 2e-7 at most: a fifth of the bound.
  GradcheckOptions coarse;
  coarse.step = 0.5;
  list.add(
      "cast", "f64 to f32 and back", [](Inputs x) { return cast(cast(x[0], DType::f32), DType::f64); },
      {list.normal({3, 7})}, coarse);
  list.add("cast", "to its own type", [](Inputs x) { return cast(x[0], DType::f64); }, {list.strided({3, 7})});
}

void add_shape_checks(OpCheckList& list) {
  list.add("reshape", "", [](Inputs x) { return reshape(x[0], {4, 3}); }, {list.normal({2, 6})});
  list.add("reshape", "strided, one size -1", [](Inputs x) { return reshape(x[0], {-1, 2}); }, {list.strided({3, 4})});
  list.add("permute", "", [](Inputs x) { return permute(x[0], {2, 0, 1}); }, {list.normal({2, 3, 4})});
  list.add("permute", "strided", [](Inputs x) { return permute(x[0], {1, 2, 0}); }, {list.strided({2, 3, 4})});
  list.add("transpose", "", [](Inputs x) { return transpose(x[0], 0, -1); }, {list.normal({2, 3, 4})});
  list.add("narrow", "", [](Inputs x) { return narrow(x[0], 1, 1, 2); }, {list.normal({3, 5})});
  list.add("narrow", "strided, to nothing", [](Inputs x) { return narrow(x[0], 0, 3, 0); }, {list.strided({3, 5})});
  list.add("narrow", "the same part twice", [](Inputs x) { return narrow(x[0], 0, 0, 3) * narrow(x[0], 0, 1, 3); },
           {list.normal({4, 2})});
  list.add("expand", "", [](Inputs x) { return expand(x[0], {3, 4, 5}); }, {list.normal({4, 1})});
  list.add("expand", "strided", [](Inputs x) { return expand(x[0], {2, 3, 4}); }, {list.strided({1, 3, 1})});
  list.add("contiguous", "strided", [](Inputs x) { return contiguous(x[0]); }, {list.strided({3, 5})});
  const auto joined = [](int dimension) {
    return [dimension](Inputs x) { return concatenate({x.begin(), x.end()}, dimension); };
  };
  list.add("concatenate", "rows, one part empty", joined(0),
           {list.normal({2, 3}), list.normal({0, 3}), list.normal({1, 3})});
  list.add("concatenate", "strided, last dimension", joined(-1), {list.strided({2, 3}), list.normal({2, 4})});
}

void add_reduction_checks(OpCheckList& list) {
  list.add("sum", "all", [](Inputs x) { return sum(x[0]); }, {list.strided({3, 5})});
  list.add("sum", "all, more than one block", [](Inputs x) { return sum(square(x[0])); }, {list.normal({3, 1031})});
  list.add("sum", "first dimension", [](Inputs x) { return sum(x[0], 0); }, {list.normal({3, 5})});
  list.add("sum", "middle, kept, strided", [](Inputs x) { return sum(x[0], 1, true); }, {list.strided({2, 3, 4})});
  list.add("sum", "of nothing", [](Inputs x) { return sum(x[0], 0) + x[1]; }, {list.normal({0, 3}), list.normal({3})});
  list.add("mean", "all", [](Inputs x) { return mean(x[0]); }, {list.strided({3, 5})});
  list.add("mean", "last dimension", [](Inputs x) { return mean(x[0], -1); }, {list.normal({3, 5})});
  list.add("mean", "middle, kept, strided", [](Inputs x) { return mean(x[0], 1, true); }, {list.strided({2, 3, 4})});
  list.add("max", "last dimension", [](Inputs x) { return max(x[0], -1); }, {list.normal({3, 5})});
  list.add("max", "first, kept, strided", [](Inputs x) { return max(x[0], 0, true); }, {list.strided({4, 3})});
}

void add_softmax_checks(OpCheckList& list) {
  const auto plain = [](Inputs x) { return softmax(x[0]); };
  list.add("softmax", "", plain, {list.normal({3, 7})});
  list.add("softmax", "strided", plain, {list.strided({2, 3, 5})});
  list.add("softmax", "rows of one", [](Inputs x) { return softmax(x[0]) * x[0]; }, {list.normal({4, 1})});
  const Tensor mask = Tensor::from(std::vector<int64_t>{1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 0}, {3, 4});
  list.add("masked_softmax", "rows of none and of one", [mask](Inputs x) { return masked_softmax(x[0], mask); },
           {list.normal({3, 4})});
  const Tensor last_excluded = indices({1, 1, 1, 0});
  list.add("masked_softmax", "mask broadcast, strided",
           [last_excluded](Inputs x) { return masked_softmax(x[0], last_excluded); }, {list.strided({2, 3, 4})});
}

}  // namespace
}  // namespace detail

std::vector<OpCheck> all_op_checks(uint64_t seed) {
  detail::OpCheckList list(seed);
  detail::add_binary_checks(list);
  detail::add_unary_checks(list);
  detail::add_shape_checks(list);
  detail::add_reduction_checks(list);
  detail::add_softmax_checks(list);
  detail::add_layer_checks(list);
  detail::add_picture_checks(list);
  detail::add_sequence_checks(list);
  detail::add_loss_checks(list);
  return list.take();
}

namespace {

// The identity, with a wrong backward.
Variable with_wrong_gradient(const Variable& x, PlantedError error) {
  return record("planted_error", x.value(), {x}, [error](const Tensor& dy, GradSlots) -> Grads {
    std::vector<double> dx = dy.to(DType::f64).to_vector<double>();
    if (error == PlantedError::scaled) {
      for (double& value : dx) value *= 1.01;
    } else if (!dx.empty()) {
      *std::max_element(dx.begin(), dx.end(), [](double a, double b) { return std::abs(a) < std::abs(b); }) = 0;
    }
    return {Tensor::from(dx, dy.shape()).to(dy.dtype()).to(dy.device())};
  });
}

}  // namespace

OpCheck with_planted_error(const OpCheck& right, size_t input, PlantedError error) {
  check(input < right.inputs.size(), "planted error: ", right.name, " has no input ", input);
  OpCheck wrong = right;
  wrong.options.twins = false;  // whose gradients are as wrong
  wrong.f = [f = right.f, input, error](detail::Inputs x) {
    std::vector<Variable> changed(x.begin(), x.end());
    changed[input] = with_wrong_gradient(changed[input], error);
    return f(changed);
  };
  return wrong;
}

std::vector<size_t> inputs_with_gradient(const OpCheck& check) {
  std::vector<Variable> leaves;
  for (const Tensor& input : check.inputs) leaves.emplace_back(input, true);
  const std::vector<Variable> outputs = check.f(leaves);
  std::vector<Tensor> cotangents;
  for (const Variable& output : outputs) cotangents.push_back(random_normal(output.shape(), check.options.seed));
  backward(outputs, cotangents);
  std::vector<size_t> found;
  for (size_t i = 0; i < leaves.size(); ++i) {
    const Tensor grad = leaves[i].grad();
    double largest = 0;  // rounding may leave something of a gradient that vanishes
    if (grad.defined())
      for (const double g : grad.to_vector<double>()) largest = std::max(largest, std::abs(g));
    if (largest > 1e-6) found.push_back(i);
  }
  return found;
}

}  // namespace tessera
