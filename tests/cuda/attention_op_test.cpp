// ops::attention and the autograd ops over it, on tensors on the GPU.
#include "tensor/ops/attention/attention.h"

#include <cstdlib>

#include "autograd/functions.h"
#include "tests/cuda/on_device.h"
#include "tests/ops/marks.h"

namespace tessera::attention_op_test {

using namespace tessera::test;

namespace {

constexpr Device kGpu{Device::cuda, 0};

// TESSERA_ATTENTION, for a while.
class Setting {
 public:
  explicit Setting(const char* value) {
    if (const char* before = std::getenv(kName)) before_ = before;
    setenv(kName, value, 1);
  }
  ~Setting() { setenv(kName, before_.c_str(), 1); }
  Setting(const Setting&) = delete;
  Setting& operator=(const Setting&) = delete;

 private:
  static constexpr const char* kName = "TESSERA_ATTENTION";
  std::string before_;
};

// Output and gradient of self_attention on qkv where it lies.
std::pair<Tensor, Tensor> fused(const Tensor& qkv, const Tensor& dy, const Tensor& cu, bool causal, double p = 0) {
  const Variable leaf(qkv, true);
  const Variable y = self_attention(leaf, cu, 2, causal, p, {3, 1, 4});
  y.backward(dy);
  return {y.value(), leaf.grad()};
}

}  // namespace

// As in attention_test.cpp, where the bounds are argued.
TEST_CASE("cuda attention op: a fused projection and its gradient stay on the GPU and equal the CPU's") {
  const Tensor cu = marks({5, 0, 19});
  for_float_and_bf16([&](auto tag) {
    using T = decltype(tag);
    for (const bool causal : {false, true}) {
      const Tensor qkv = random_values<T>({24, 3 * 2 * 8}, 1), dy = random_values<T>({24, 2 * 8}, 2);
      const auto [y, dx] = fused(qkv.to(kGpu), dy.to(kGpu), cu, causal);
      CHECK(y.on_cuda());
      CHECK(dx.on_cuda());
      const auto [y64, dx64] = fused(wide(qkv), wide(dy), cu, causal);
      CHECK_CLOSE(y.to(Device{}), y64, 2e-6);
      CHECK_CLOSE(dx.to(Device{}), dx64, 5e-6 + (std::is_same_v<T, float> ? 0 : 0x1p-8));
    }
  });
}

TEST_CASE("cuda attention op: separate inputs, with their elements side by side or not, and what it refuses") {
  const Tensor cu_q = marks({3, 4}), cu_k = marks({6, 2});
  const Tensor q = random_values<float>({7, 8}, 1), dy = random_values<float>({7, 8}, 4);
  const Tensor k = random_values<float>({8, 8}, 2), v = random_values<float>({8, 8}, 3);
  const auto run = [&](const Tensor& a, const Tensor& b, const Tensor& c, const Tensor& cotangent) {
    const Variable x(a, true), y(b, true), z(c, true);
    const Variable out = attention(x, y, z, cu_q, cu_k, 2, false);
    out.backward(cotangent);
    return std::vector<Tensor>{out.value(), x.grad(), y.grad(), z.grad()};
  };
  const auto there = [](const Tensor& x) { return x.to(kGpu); };
  const auto by_columns = [](const Tensor& x) { return x.transpose(0, 1).clone().to(kGpu).transpose(0, 1); };
  const auto got = run(there(q), there(k), there(v), there(dy));
  const auto strided = run(by_columns(q), by_columns(k), by_columns(v), by_columns(dy));
  const auto expected = run(wide(q), wide(k), wide(v), wide(dy));
  for (size_t i = 0; i < got.size(); ++i) {
    CAPTURE(i);
    CHECK_CLOSE(got[i].to(Device{}), expected[i], 5e-6);
    CHECK(same_bits(got[i].to(Device{}), strided[i].to(Device{})));
  }
  CHECK_THROWS_WITH(ops::attention(there(q), k, there(v), cu_q, cu_k, {2, false}),
                    "attention: q, k and v are on cuda:0, cpu and cuda:0, expected one device");
  CHECK_THROWS_WITH(ops::attention(there(wide(q)), there(wide(k)), there(wide(v)), cu_q, cu_k, {2, false}),
                    "attention: dtype is f64, expected f32 or bf16 on a GPU");
}

// The kernels that a GPU would use, behind the same op. They round P and dS to 2^-9 of each, so that their bits are not
// the plain kernels'; an element moves by at most 2^-8 or so of the sum of its terms' magnitudes, and results are
// stored to 2^-9: 2^-6 of the largest element is enough for sums whose terms do not cancel in all of them.
TEST_CASE("cuda attention op: TESSERA_ATTENTION chooses the kernels") {
  const Tensor cu = marks({5, 30});
  const Tensor qkv = random_values<bf16>({35, 3 * 64}, 1).to(kGpu), dy = random_values<bf16>({35, 64}, 2).to(kGpu);
  const auto with = [&](const char* name, double p = 0) {
    const Setting setting(name);
    const auto [y, dx] = fused(qkv, dy, cu, true, p);
    return std::vector<Tensor>{y.to(Device{}), dx.to(Device{})};
  };
  const auto plain = with("plain"), tensor_cores = with("tensor-cores");
  for (size_t i = 0; i < 2; ++i) {
    CHECK_FALSE(same_bits(plain[i], tensor_cores[i]));
    CHECK_CLOSE(tensor_cores[i], wide(plain[i]), 0x1p-6);
  }
  CHECK(same_bits(with("")[0], with("auto")[0]));
  // Tensor cores drop nothing: the plain kernels do.
  const auto dropped = with("plain", 0.2), preferred = with("tensor-cores", 0.2);
  for (size_t i = 0; i < 2; ++i) {
    CHECK_FALSE(same_bits(dropped[i], plain[i]));
    CHECK(same_bits(dropped[i], preferred[i]));
  }
  CHECK_THROWS_WITH(with("fast"), "TESSERA_ATTENTION is 'fast', expected auto, plain or tensor-cores");
}

// Probabilities are at most 1; scores of size 10 have an error of a few ulp, 2^-24 of that, which is P's relative one.
TEST_CASE("cuda attention_weights equal the CPU's, per head and on average") {
  const Tensor cu = marks({3, 0, 37, 1});
  for_float_and_bf16([&](auto tag) {
    const Tensor qkv = random_values<decltype(tag)>({41, 3 * 3 * 10}, 1);
    for (const int64_t head : {-1, 0, 2}) {
      const auto got = in_three_orders(
          [&]() -> std::vector<Tensor> { return {ops::attention_weights(qkv.to(kGpu), cu, 3, head).to(Device{})}; });
      CHECK_CLOSE(got[0], ops::attention_weights(wide(qkv), cu, 3, head), 4e-6);
    }
  });
  CHECK(ops::attention_weights(Tensor::zeros({0, 6}).to(kGpu), marks({}), 2).numel() == 0);
}

}  // namespace tessera::attention_op_test
