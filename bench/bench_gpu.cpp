// Attention over packed sequences, on either device, and the products of linear layers on a GPU.
#include "bench/bench_model.h"
#include "tensor/gemm/precision.h"
#include "tensor/ops/attention/attention.h"
#include "tensor/ops/linear.h"
#include "tensor/parallel.h"
#include "tensor/philox.h"

namespace tessera::bench {
namespace {

Tensor noise(const Shape& shape, uint64_t stream, DType dtype, Device device) {
  Tensor values = Tensor::empty(shape);
  float* data = values.mutable_data<float>();
  parallel_for(values.numel(), 1 << 16, [&](int64_t begin, int64_t end) {
    Random random(0, stream, static_cast<uint64_t>(begin));
    for (int64_t i = begin; i < end; ++i) data[i] = static_cast<float>(random.normal());
  });
  return values.to(dtype).to(device);
}

const char* name_in_torch(DType dtype) { return dtype == DType::bf16 ? "bfloat16" : "float32"; }

// The three products of a layer with weight [out, in] on `tokens` rows; the weight gradient is added to f32, as in
// training.
void measure_layer(const Arguments& arguments, int64_t tokens, int64_t in, int64_t out) {
  const DType dtype = arguments.precision == "bf16" ? DType::bf16 : DType::f32;
  const Tensor x = noise({tokens, in}, 0, dtype, arguments.device),
               dy = noise({tokens, out}, 1, dtype, arguments.device);
  const Tensor weight = noise({out, in}, 2, DType::f32, arguments.device);
  Tensor dw = Tensor::zeros({out, in}, DType::f32, arguments.device);
  const auto product = [&](const char* kind, const std::function<void()>& run) {
    measure(arguments, run, [&](const Milliseconds& ms) -> JsonFields {
      return {{"m", tokens},
              {"k", in},
              {"n", out},
              {"kind", kind},
              {"dtype", name_in_torch(dtype)},
              {"precision", arguments.precision},
              {"gflops", rounded(2e-6 * static_cast<double>(tokens) * static_cast<double>(in * out) / ms.median, 1)}};
    });
  };
  product("forward", [&] { ops::linear(x, weight, {}); });
  product("dgrad", [&] { ops::linear_data_gradient(dy, weight); });
  product("wgrad", [&] { ops::linear_weight_gradient_(dw, dy, x, true); });
}

}  // namespace

// Both passes of a padded batch make the tokens.
void bench_device_gemm(const Arguments& arguments) {
  const ModelSize& size = model_size(arguments.model);
  const int64_t d = size.hidden, tokens = 2 * arguments.batch * (size.words + 1 + size.patches());
  if (arguments.precision != "bf16")
    set_matmul_precision(
        matmul_precision_named("--precision", arguments.precision == "f32" ? "highest" : arguments.precision));
  for (const auto& [in, out] : {std::pair{d, d}, {d, 3 * d}, {d, 4 * d}, {4 * d, d}})
    measure_layer(arguments, tokens, in, out);
}

// Forward and backward of one block's attention in one pass. Two products of T · T · d multiplications make forward, Q
// Kᵀ and P V, and five make backward, which forms the first of them again; only real tokens count.
void bench_attention(const Arguments& arguments) {
  const ModelSize& size = model_size(arguments.model);
  std::vector<int64_t> marks{0};
  double scores = 0;
  for (int b = 0; b < arguments.batch; ++b) {
    const auto [words, patches] = pair_lengths(size, arguments.batch, b, arguments.ragged);
    const auto length = words + 1 + patches;
    marks.push_back(marks.back() + length);
    scores += static_cast<double>(length * length);
  }
  const Tensor cu = Tensor::from(marks);
  const int64_t tokens = marks.back(), d = size.hidden;
  const DType dtype = arguments.precision == "bf16" ? DType::bf16 : DType::f32;
  const Tensor qkv = noise({tokens, 3 * d}, 0, dtype, arguments.device),
               dout = noise({tokens, d}, 1, dtype, arguments.device);
  const Tensor dqkv = Tensor::empty({tokens, 3 * d}, dtype, arguments.device);
  const auto part = [d](const Tensor& of, int64_t number) { return of.narrow(1, number * d, d); };
  const auto forward = [&] {
    return ops::attention(part(qkv, 0), part(qkv, 1), part(qkv, 2), cu, cu, {size.heads, false});
  };
  const ops::AttentionResult result = forward();
  const auto line = [&](const char* kind, double products, const std::function<void()>& run) {
    measure(arguments, run, [&](const Milliseconds& ms) -> JsonFields {
      return {{"model", arguments.model},
              {"batch", arguments.batch},
              {"kind", kind},
              {"precision", arguments.precision},
              {"ragged", arguments.ragged},
              {"tokens", tokens},
              {"gflops", rounded(2e-6 * products * scores * static_cast<double>(d) / ms.median, 1)}};
    });
  };
  line("forward", 2, [&] { forward(); });
  line("backward", 5, [&] {
    ops::attention_backward(dout, part(qkv, 0), part(qkv, 1), part(qkv, 2), result, cu, cu, {size.heads, false},
                            part(dqkv, 0), part(dqkv, 1), part(dqkv, 2));
  });
}

}  // namespace tessera::bench
