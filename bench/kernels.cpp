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

// Times f() and the tape behind it, with a cotangent of its result's shape and type.
template <class F>
void forward_and_backward(benchmark::State& state, F&& f) {
  const Variable result = f();
  const Tensor cotangent = normal(result.shape(), 9).to(result.dtype());
  for ([[maybe_unused]] auto _ : state) f().backward(cotangent);
  state.SetItemsProcessed(state.iterations() * kTokens);
}

// Parameters are f32 beside activations of either type.
Variable parameter(const Shape& shape, uint64_t stream) { return Variable(normal(shape, stream), true); }
template <DType dtype>
Variable activation(int64_t width, uint64_t stream) {
  return Variable(normal({kTokens, width}, stream).to(dtype), true);
}

template <DType dtype>
void linear_kernel(benchmark::State& state) {
  const Variable x = activation<dtype>(kHidden, 0), weight = parameter({state.range(0), kHidden}, 1);
  const Variable bias = parameter({state.range(0)}, 2);
  forward_and_backward(state, [&] { return linear(x, weight, bias); });
}
BENCHMARK(linear_kernel<DType::f32>)->Name("linear/f32")->Arg(256)->Arg(768)->Arg(1024)->UseRealTime();
BENCHMARK(linear_kernel<DType::bf16>)->Name("linear/bf16")->Arg(256)->Arg(768)->Arg(1024)->UseRealTime();

template <DType dtype>
void mlp_kernel(benchmark::State& state) {
  const Variable x = activation<dtype>(kHidden, 0);
  const Variable weight1 = parameter({4 * kHidden, kHidden}, 1), bias1 = parameter({4 * kHidden}, 2);
  const Variable weight2 = parameter({kHidden, 4 * kHidden}, 3), bias2 = parameter({kHidden}, 4);
  forward_and_backward(state, [&] { return mlp(x, weight1, bias1, weight2, bias2, 0.1, Ticket{1, 2, 3}); });
}
BENCHMARK(mlp_kernel<DType::f32>)->Name("mlp/f32")->UseRealTime();
BENCHMARK(mlp_kernel<DType::bf16>)->Name("mlp/bf16")->UseRealTime();

template <DType dtype>
void layer_norm_kernel(benchmark::State& state) {
  const Variable x = activation<dtype>(kHidden, 0), weight = parameter({kHidden}, 1), bias = parameter({kHidden}, 2);
  forward_and_backward(state, [&] { return layer_norm(x, weight, bias, 1e-6); });
}
BENCHMARK(layer_norm_kernel<DType::f32>)->Name("layer_norm/f32")->UseRealTime();
BENCHMARK(layer_norm_kernel<DType::bf16>)->Name("layer_norm/bf16")->UseRealTime();

template <DType dtype>
void dropout_add_layer_norm_kernel(benchmark::State& state) {
  const Variable x = activation<dtype>(kHidden, 0), residual = activation<dtype>(kHidden, 3);
  const Variable weight = parameter({kHidden}, 1), bias = parameter({kHidden}, 2);
  forward_and_backward(state, [&] {
    return dropout_add_layer_norm(x, residual, weight, bias, 1e-6, 0.1, Ticket{1, 2, 3}).normalised;
  });
}
BENCHMARK(dropout_add_layer_norm_kernel<DType::f32>)->Name("dropout_add_layer_norm/f32")->UseRealTime();
BENCHMARK(dropout_add_layer_norm_kernel<DType::bf16>)->Name("dropout_add_layer_norm/bf16")->UseRealTime();

template <DType dtype>
void attention_kernel(benchmark::State& state) {
  const Variable qkv = activation<dtype>(3 * kHidden, 0);
  const Tensor cu_seqlens = even_marks(kLength);
  forward_and_backward(state, [&] { return self_attention(qkv, cu_seqlens, kHeads); });
}
BENCHMARK(attention_kernel<DType::f32>)->Name("attention/f32")->UseRealTime();
BENCHMARK(attention_kernel<DType::bf16>)->Name("attention/bf16")->UseRealTime();

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
