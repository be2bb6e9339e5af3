// The tape on a GPU: plain ops, forward and backward, against the same on the CPU in f64.
#include <functional>

#include "autograd/finite.h"
#include "autograd/tape.h"
#include "tensor/cuda/memory.h"
#include "tests/cuda/on_device.h"

namespace tessera::autograd_test {

using namespace tessera::test;

namespace {

constexpr Device kGpu{Device::cuda, 0};
using Function = std::function<Variable(std::span<const Variable>)>;

// The value of f and the gradients of all inputs, from a random cotangent.
std::vector<Tensor> value_and_gradients(const Function& f, const std::vector<Tensor>& inputs) {
  std::vector<Variable> leaves;
  for (const Tensor& input : inputs) leaves.emplace_back(input, true);
  const Variable y = f(leaves);
  y.backward(random_normal(y.shape(), 99, DType::f32).to(DType::bf16).to(y.dtype()).to(y.value().device()));
  std::vector<Tensor> results{y.value()};
  for (const Variable& leaf : leaves) results.push_back(leaf.grad());
  return results;
}

// Plain ops keep their arithmetic, each within a few units of its largest value; a chain of three of them, and sums of
// gradients over up to 12 elements, stay below 5e-6. In bf16 every op rounds by 2^-9, on both ways.
void check_on_gpu(const char* name, const Function& f, const std::vector<Tensor>& inputs) {
  CAPTURE(name);
  for (const DType dtype : {DType::f32, DType::f64, DType::bf16}) {
    CAPTURE(dtype);
    std::vector<Tensor> host, there;
    for (const Tensor& input : inputs) {
      there.push_back(input.to(dtype).to(kGpu));
      host.push_back(wide(input.to(dtype)));
    }
    const std::vector<Tensor> expected = value_and_gradients(f, host);
    const std::vector<Tensor> got = in_three_orders([&] {
      std::vector<Tensor> results = value_and_gradients(f, there);
      for (Tensor& result : results) {
        CHECK(result.on_cuda());
        result = result.to(Device{});
      }
      return results;
    });
    REQUIRE(got.size() == expected.size());
    for (size_t i = 0; i < got.size(); ++i) {
      CAPTURE(i);
      CHECK_CLOSE(got[i], expected[i], dtype == DType::f64 ? 1e-14 : dtype == DType::f32 ? 5e-6 : 0x1p-5);
    }
  }
}

}  // namespace

TEST_CASE("cuda: arithmetic with broadcasting, and its gradients") {
  const Tensor a = random_normal({3, 4}, 1), row = random_normal({4}, 2), column = random_normal({3, 1}, 3);
  const Tensor positive = Tensor::full({4}, 1.5, DType::f64);
  using V = std::span<const Variable>;
  check_on_gpu("a + row * column", [](V x) { return x[0] + x[1] * x[2]; }, {a, row, column});
  check_on_gpu("(a - column) / row", [](V x) { return (x[0] - x[2]) / x[1]; }, {a, positive, column});
  check_on_gpu("2 a + 3 - a / 4", [](V x) { return 2 * x[0] + 3 - x[0] / 4.0; }, {a});
}

TEST_CASE("cuda: functions of one tensor, and their gradients") {
  const Tensor a = random_normal({3, 5}, 4);
  using V = std::span<const Variable>;
  check_on_gpu("exp", [](V x) { return exp(x[0]); }, {a});
  check_on_gpu("log and sqrt of 1 + a²", [](V x) { return log(sqrt(square(x[0]) + 1.0)); }, {a});
  check_on_gpu("tanh", [](V x) { return tanh(x[0]); }, {a});
  check_on_gpu("sigmoid", [](V x) { return sigmoid(x[0]); }, {a});
  check_on_gpu("relu", [](V x) { return relu(x[0]); }, {a});
  check_on_gpu("gelu", [](V x) { return gelu(x[0]); }, {a});
  check_on_gpu("quick_gelu", [](V x) { return quick_gelu(x[0]); }, {a});
}

TEST_CASE("cuda: shapes and reductions, and their gradients") {
  const Tensor a = random_normal({3, 4}, 5), b = random_normal({2, 4}, 6);
  using V = std::span<const Variable>;
  check_on_gpu("transpose, reshape", [](V x) { return reshape(transpose(x[0], 0, 1), {2, 6}) * 2.0; }, {a});
  check_on_gpu("narrow, permute", [](V x) { return permute(narrow(x[0], 1, 1, 2), {1, 0}); }, {a});
  check_on_gpu("concatenate", [](V x) { return concatenate({x[0], x[1], x[0]}, 0); }, {a, b});
  check_on_gpu("expand, contiguous", [](V x) { return contiguous(expand(x[0], {2, 3, 4})); }, {a});
  check_on_gpu("sum, mean", [](V x) { return sum(x[0]) * mean(x[1]); }, {a, b});
  check_on_gpu("over dimensions", [](V x) { return sum(x[0], 0) + mean(x[1], 0); }, {a, b});
  check_on_gpu("max", [](V x) { return max(x[0], 1, true); }, {a});
  check_on_gpu("cast", [](V x) { return cast(cast(x[0], DType::f32), x[0].dtype()); }, {a.to(DType::bf16)});
}

TEST_CASE("cuda: a single element's gradient begins on its device, and the engine waits for nothing") {
  Variable x(Tensor::from(std::vector<float>{1, 2, 3}).to(kGpu), true);
  const int64_t before = cuda::counters().synchronisations;
  const Variable loss = mean(square(x) + x * x);
  loss.backward();
  loss.detach();
  x.clear_grad();
  mean(square(x)).backward();
  CHECK(cuda::counters().synchronisations == before);
  CHECK(x.grad().on_cuda());
  const std::vector<double> gradient = values_of(x.grad());
  for (int i = 0; i < 3; ++i) CHECK(gradient[static_cast<size_t>(i)] == doctest::Approx(2.0 / 3 * (i + 1)));
}

TEST_CASE("cuda: gradients and cotangents on the wrong device are refused") {
  Variable x(Tensor::zeros({2}, DType::f32, kGpu), true);
  const Variable y = x + 1.0;
  CHECK_THROWS_WITH_AS(y.backward(Tensor::zeros({2})), "backward: cotangent is on cpu, expected cuda:0", Error);
  CHECK_THROWS_AS(x.set_grad_storage(Tensor::zeros({2})), Error);
}

TEST_CASE("cuda: what is not finite is named") {
  const CheckFinite guard;
  const Variable x(Tensor::full({3}, -1, DType::f32, kGpu), true);
  CHECK_THROWS_WITH_AS(log(x), "log: output 0 is not finite", NonFinite);
  const Variable zero(Tensor::zeros({3}, DType::f32, kGpu), true);
  CHECK_THROWS_WITH_AS(sqrt(zero).backward(Tensor::full({3}, 1, DType::f32, kGpu)),
                       "sqrt: gradient of input 0 is not finite", NonFinite);
}

}  // namespace tessera::autograd_test
