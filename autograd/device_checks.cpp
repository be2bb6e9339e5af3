#include "autograd/device_checks.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "autograd/tape.h"
#include "tensor/philox.h"

namespace tessera {
namespace {

// The dimensions from the outermost in memory to the innermost, and the places where they go back to.
struct MemoryOrder {
  std::vector<int> order, inverse;

  explicit MemoryOrder(const Tensor& x) : order(static_cast<size_t>(x.dim())), inverse(order.size()) {
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return x.stride(a) > x.stride(b); });
    for (size_t i = 0; i < order.size(); ++i) inverse[static_cast<size_t>(order[i])] = static_cast<int>(i);
  }
};

Tensor cotangent(const Shape& shape, uint64_t seed, size_t output) {
  Random random(seed, output);
  std::vector<float> values(static_cast<size_t>(shape.numel()));
  for (float& value : values) value = static_cast<float>(random.uniform(-1, 1));
  return Tensor::from(values, shape);
}

struct Results {
  std::vector<Tensor> outputs, gradients;
};

Results results(const OpCheck& check, const std::vector<Tensor>& inputs, DType dtype, Device device) {
  std::vector<Variable> leaves;
  for (const Tensor& input : inputs) leaves.emplace_back(input, true);
  const std::vector<Variable> outputs = check.f(leaves);
  Results out;
  std::vector<Variable> differentiable;
  std::vector<Tensor> cotangents;
  for (size_t i = 0; i < outputs.size(); ++i) {
    out.outputs.push_back(outputs[i].value());
    if (!outputs[i].requires_grad()) continue;
    differentiable.push_back(outputs[i]);
    const DType own = outputs[i].dtype() == DType::f64 ? DType::f64 : dtype;
    cotangents.push_back(cotangent(outputs[i].shape(), check.options.seed, i).to(own).to(device));
  }
  backward(differentiable, cotangents);
  for (const Variable& leaf : leaves) out.gradients.push_back(leaf.grad());
  return out;
}

void compare(const Tensor& got, const Tensor& expected, const std::string& name, DeviceCheckReport& report) {
  constexpr double kBound = 1e-5, kFloor = 1e-3;
  if (!got.defined() && !expected.defined()) return;
  check(got.defined() && expected.defined() && got.shape() == expected.shape(), "device check: ", name, " is ",
        describe(got), ", expected ", describe(expected));
  const std::vector<double> g = got.to(Device{}).to(DType::f64).to_vector<double>();
  const std::vector<double> e = expected.to(DType::f64).to_vector<double>();
  double scale = kFloor, error = 0;
  for (const double value : e) scale = std::max(scale, std::abs(value));
  for (size_t i = 0; i < e.size(); ++i) {
    const double difference = std::abs(g[i] - e[i]);
    error = difference <= error ? error : std::isnan(difference) ? INFINITY : difference;
  }
  report.compared += static_cast<int64_t>(e.size());
  if (const double fraction = error / (kBound * scale); fraction > report.worst_fraction) {
    report.worst_fraction = fraction;
    report.worst = name;
  }
}

}  // namespace

DeviceCheckReport compare_with_cpu(const OpCheck& check, Device device) {
  std::vector<Tensor> here, there;
  for (const Tensor& input : check.inputs) {
    const MemoryOrder memory(input);
    const Tensor f32 = input.permute(memory.order).to(DType::f32);
    here.push_back(f32.to(DType::f64).permute(memory.inverse));
    there.push_back(f32.to(device).permute(memory.inverse));
  }
  const Results expected = results(check, here, DType::f64, {}), got = results(check, there, DType::f32, device);
  tessera::check(expected.outputs.size() == got.outputs.size(), "device check: ", got.outputs.size(),
                 " outputs, expected ", expected.outputs.size());
  DeviceCheckReport report;
  for (size_t i = 0; i < expected.outputs.size(); ++i)
    compare(got.outputs[i], expected.outputs[i], text("output ", i), report);
  for (size_t i = 0; i < expected.gradients.size(); ++i)
    compare(got.gradients[i], expected.gradients[i], text("gradient of input ", i), report);
  return report;
}

}  // namespace tessera
