// For tests of functions on tensors of a GPU: results and gradients against the CPU's.
#pragma once

#include <functional>
#include <vector>

#include "autograd/functions.h"
#include "autograd/tape.h"
#include "tests/cuda/on_device.h"

namespace tessera::test {

inline constexpr Device kGpu{Device::cuda, 0};

using Function = std::function<std::vector<Variable>(const std::vector<Variable>&)>;

// The results of f on `device`, then the gradients of its inputs for random cotangents, which are rounded to
// `cotangent_dtypes`: those of the results of the first run. `widen`: inputs in f64.
inline std::vector<Tensor> results_and_gradients(const Function& f, const std::vector<Tensor>& inputs, Device device,
                                                 bool widen, std::vector<DType>& cotangent_dtypes) {
  std::vector<Variable> leaves;
  for (const Tensor& x : inputs) leaves.emplace_back((widen ? wide(x) : x).to(device), true);
  const std::vector<Variable> outputs = f(leaves);
  std::vector<Tensor> cotangents, results;
  for (size_t k = 0; k < outputs.size(); ++k) {
    const Tensor& y = outputs[k].value();
    CHECK(y.device() == device);
    if (cotangent_dtypes.size() == k) cotangent_dtypes.push_back(y.dtype());
    const Tensor rounded = random_normal(y.shape(), 100 + k, DType::f32).to(cotangent_dtypes[k]);
    cotangents.push_back(rounded.to(y.dtype()).to(device));
    results.push_back(y.to(Device{}));
  }
  const int64_t synchronisations = cuda::counters().synchronisations;
  backward(outputs, cotangents);
  CHECK(cuda::counters().synchronisations == synchronisations);
  for (const Variable& leaf : leaves) results.push_back(leaf.grad().to(Device{}));
  return results;
}

// Neither f nor its backward waits for the GPU. f32 inputs: against the CPU in f64, within `arithmetic` of the largest
// element. With bf16 among them: against the CPU on the same inputs, whose results are rounded where the GPU's are; two
// that differ by rounding of f32 may then be one unit of the last place of bf16, 2^-7, apart.
inline void check_on_gpu(const Function& f, const std::vector<Tensor>& inputs, double arithmetic) {
  const bool with_bf16 =
      std::any_of(inputs.begin(), inputs.end(), [](const Tensor& x) { return x.dtype() == DType::bf16; });
  std::vector<DType> dtypes;
  const Function watched = [&](const std::vector<Variable>& x) {
    const int64_t before = cuda::counters().synchronisations;
    std::vector<Variable> outputs = f(x);
    CHECK(cuda::counters().synchronisations == before);
    return outputs;
  };
  const std::vector<Tensor> got = results_and_gradients(watched, inputs, kGpu, false, dtypes);
  const std::vector<Tensor> expected = results_and_gradients(f, inputs, Device{}, !with_bf16, dtypes);
  REQUIRE(got.size() == expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    CAPTURE(i);
    CHECK(error_over_bound(got[i], expected[i], arithmetic) <= (with_bf16 ? 2 : 1));
  }
}

}  // namespace tessera::test
