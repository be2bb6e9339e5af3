// Forward and backward of the ops that a ViLT step spends its time in, at the size of `small` (hidden size 256, four
// heads) with 32 sequences of 66 tokens. Google Benchmark's flags, e.g. --benchmark_filter=attention.
#include <benchmark/benchmark.h>

#include "autograd/functions.h"
#include "tensor/ops/ipot.h"

namespace tessera {
namespace {

constexpr int64_t kSequences = 32, kLength = 66, kTokens = kSequences * kLength, kHidden = 256, kHeads = 4;
constexpr int64_t kWords = 14, kPatches = 49;

Tensor normal(const Shape& shape, uint64_t stream) {
  Random random(0, stream);
  std::vector<float> values(static_cast<size_t>(shape.numel()));
  for (float& value : values) value = static_cast<float>(random.normal());
  return Tensor::from(values, shape);
}

Tensor even_marks(int64_t length) {
  std::vector<int64_t> marks;
  for (int64_t s = 0; s <= kSequences; ++s) marks.push_back(s * length);
  return Tensor::from(marks);
}

// Times f() and the tape behind it, with a cotangent of its result's shape.
template <class F>
void forward_and_backward(benchmark::State& state, F&& f) {
  const Tensor cotangent = normal(f().shape(), 9);
  for ([[maybe_unused]] auto _ : state) f().backward(cotangent);
  state.SetItemsProcessed(state.iterations() * kTokens);
}

void linear_kernel(benchmark::State& state) {
  const Variable x(normal({kTokens, kHidden}, 0), true), weight(normal({state.range(0), kHidden}, 1), true);
  const Variable bias(normal({state.range(0)}, 2), true);
  forward_and_backward(state, [&] { return linear(x, weight, bias); });
}
BENCHMARK(linear_kernel)->Name("linear")->Arg(256)->Arg(768)->Arg(1024)->UseRealTime();

void linear_gelu_kernel(benchmark::State& state) {
  const Variable x(normal({kTokens, kHidden}, 0), true), weight(normal({4 * kHidden, kHidden}, 1), true);
  const Variable bias(normal({4 * kHidden}, 2), true);
  forward_and_backward(state, [&] { return linear_gelu(x, weight, bias); });
}
BENCHMARK(linear_gelu_kernel)->Name("linear_gelu")->UseRealTime();

void layer_norm_kernel(benchmark::State& state) {
  const Variable x(normal({kTokens, kHidden}, 0), true), weight(normal({kHidden}, 1), true);
  const Variable bias(normal({kHidden}, 2), true);
  forward_and_backward(state, [&] { return layer_norm(x, weight, bias, 1e-6); });
}
BENCHMARK(layer_norm_kernel)->Name("layer_norm")->UseRealTime();

void dropout_add_layer_norm_kernel(benchmark::State& state) {
  const Variable x(normal({kTokens, kHidden}, 0), true), residual(normal({kTokens, kHidden}, 3), true);
  const Variable weight(normal({kHidden}, 1), true), bias(normal({kHidden}, 2), true);
  forward_and_backward(state, [&] {
    return dropout_add_layer_norm(x, residual, weight, bias, 1e-6, 0.1, Ticket{1, 2, 3}).normalised;
  });
}
BENCHMARK(dropout_add_layer_norm_kernel)->Name("dropout_add_layer_norm")->UseRealTime();

void attention_kernel(benchmark::State& state) {
  const Variable qkv(normal({kTokens, 3 * kHidden}, 0), true);
  const Tensor cu_seqlens = even_marks(kLength);
  forward_and_backward(state, [&] { return self_attention(qkv, cu_seqlens, kHeads); });
}
BENCHMARK(attention_kernel)->Name("attention")->UseRealTime();

void ipot_kernel(benchmark::State& state) {
  Random random(0);
  std::vector<float> values(static_cast<size_t>(kSequences * kWords * kPatches));
  for (float& value : values) value = static_cast<float>(random.uniform());
  const Tensor cost = Tensor::from(values), cu_words = even_marks(kWords), cu_patches = even_marks(kPatches);
  for ([[maybe_unused]] auto _ : state) benchmark::DoNotOptimize(ops::ipot(cost, cu_words, cu_patches, 0.5, 50));
}
BENCHMARK(ipot_kernel)->Name("ipot")->UseRealTime();

}  // namespace
}  // namespace tessera

BENCHMARK_MAIN();
