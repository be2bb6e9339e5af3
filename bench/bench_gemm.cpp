// The three products of the linear layers: ViLT-B/32's with 1, 4 and 16 sequences of 241 tokens (as the peer's), and
// those of `small` and `tiny` with 32 sequences. Each in f32, in bf16 (weights packed before, as they are once per
// update; the weight gradient added to f32), and in precision `high` (split operands).
//
// `share` is the part of `peak_gflops` that was reached: what the multiplying instruction alone does on all threads,
// measured just before. For `high` the peak is a third of bf16's, since it takes three products.
#include <unistd.h>

#include <array>
#include <cstdio>

#include "bench/bench.h"
#include "tensor/gemm/gemm.h"
#include "tensor/gemm/packed/kernel_choice.h"
#include "tensor/gemm/packed/product.h"
#include "tensor/parallel.h"
#include "tensor/philox.h"

namespace tessera::bench {
namespace {

struct ModelShapes {
  int64_t hidden;
  std::vector<int64_t> tokens;
};

const ModelShapes kProducts[] = {{768, {241, 964, 3856}}, {256, {2112}}, {128, {1696}}};

Tensor normal_values(int64_t rows, int64_t columns, uint64_t stream) {
  Random random(0, stream);
  Tensor values = Tensor::empty({rows, columns});
  float* data = values.mutable_data<float>();
  for (int64_t i = 0; i < values.numel(); ++i) data[i] = static_cast<float>(random.normal());
  return values;
}

// The best of a few short runs on all threads at once.
double peak_gflops(const products::Kernels& kernels) {
  const int threads = thread_count();
  int64_t rounds = 1000;
  double best = 0;
  for (int i = 0; i < 12; ++i) {
    std::vector<double> flops(static_cast<size_t>(threads));
    const Milliseconds ms = median_ms(
        [&] { parallel_chunks(threads, [&](int64_t t) { flops[static_cast<size_t>(t)] = kernels.peak(rounds); }); }, 0,
        1);
    double sum = 0;
    for (const double f : flops) sum += f;
    best = std::max(best, sum / ms.median * 1e-6);
    if (ms.median < 5) rounds *= 4;
  }
  return best;
}

const products::Kernels& f32_kernels() {
  for (const InstructionSet set : {InstructionSet::avx512, InstructionSet::avx2})
    if (machine_has(set)) return products::kernels_of(set);
  return products::kernels_of(InstructionSet::portable);
}

struct Precision {
  const char *dtype, *precision, *isa;
  double peak;
};

// The shares of all products of one layer: of each precision forward, data gradient, weight gradient.
struct Shares {
  int64_t tokens, in, out;
  std::vector<double> shares;
};

void print_table(const std::vector<Shares>& layers, const std::array<Precision, 3>& precisions) {
  std::printf("\nper cent of the measured peak: forward, data gradient, weight gradient\n%-21s", "");
  for (const Precision& precision : precisions) std::printf("  %8s %5.0f GFLOP/s", precision.precision, precision.peak);
  std::printf("\n%7s %6s %6s\n", "tokens", "in", "out");
  for (const Shares& layer : layers) {
    std::printf("%7lld %6lld %6lld", static_cast<long long>(layer.tokens), static_cast<long long>(layer.in),
                static_cast<long long>(layer.out));
    for (size_t i = 0; i < layer.shares.size(); ++i)
      std::printf("%s %5.0f", i % 3 ? "" : "      ", 100 * layer.shares[i]);
    std::printf("\n");
  }
  std::printf("%21s", "mean");
  for (size_t i = 0; !layers.empty() && i < layers[0].shares.size(); ++i) {
    double sum = 0;
    for (const Shares& layer : layers) sum += layer.shares[i];
    std::printf("%s %5.0f", i % 3 ? "" : "      ", 100 * sum / static_cast<double>(layers.size()));
  }
  std::printf("\n");
}

class Layer {
 public:
  Layer(const Arguments& arguments, int64_t tokens, int64_t in, int64_t out)
      : arguments_(arguments), tokens_(tokens), in_(in), out_(out) {
    x_ = normal_values(tokens, in, 0);
    weight_ = normal_values(out, in, 1);
    dy_ = normal_values(tokens, out, 2);
    result_ = Tensor::zeros({std::max({tokens * out, tokens * in, out * in})});
  }

  void run_f32(const Precision& precision) {
    Gemm<float> forward{.m = tokens_,
                        .n = out_,
                        .k = in_,
                        .a = x_.data<float>(),
                        .lda = in_,
                        .b = weight_.data<float>(),
                        .ldb = in_,
                        .transpose_b = true};
    const Gemm<float> dgrad{
        .m = tokens_, .n = in_, .k = out_, .a = dy_.data<float>(), .lda = out_, .b = weight_.data<float>(), .ldb = in_};
    Gemm<float> wgrad{.m = out_,
                      .n = in_,
                      .k = tokens_,
                      .a = dy_.data<float>(),
                      .lda = out_,
                      .transpose_a = true,
                      .b = x_.data<float>(),
                      .ldb = in_};
    for (auto [kind, product] : {std::pair{"forward", forward}, {"dgrad", dgrad}, {"wgrad", wgrad}}) {
      product.c = result_.mutable_data<float>();
      product.ldc = product.n;
      measure(precision, kind, [&] { gemm(product); });
    }
  }

  void run_packed(const Precision& precision, PackedForm form) {
    const DType dtype = form == PackedForm::split ? DType::f32 : DType::bf16;
    const Tensor x = x_.to(dtype), dy = dy_.to(dtype);
    PackedMatrix weight, weight_transposed;
    weight_transposed.refresh(weight_, true, form);
    weight.refresh(weight_, false, form);
    const auto operand = [&](const Tensor& matrix, bool transpose) -> ProductOperand {
      const void* data = dtype == DType::f32 ? static_cast<const void*>(matrix.data<float>()) : matrix.data<bf16>();
      return {.data = data, .dtype = dtype, .ld = matrix.size(1), .transpose = transpose};
    };
    Product forward{
        .m = tokens_, .n = out_, .k = in_, .left = operand(x, false), .right = {}, .packed_right = &weight_transposed};
    Product dgrad{.m = tokens_, .n = in_, .k = out_, .left = operand(dy, false), .right = {}, .packed_right = &weight};
    forward.c_dtype = dgrad.c_dtype = dtype;
    const Product wgrad{
        .m = out_, .n = in_, .k = tokens_, .left = operand(dy, true), .right = operand(x, false), .accumulate = true};
    for (auto [kind, product] : {std::pair{"forward", forward}, {"dgrad", dgrad}, {"wgrad", wgrad}}) {
      product.form = form;
      product.c = result_.mutable_data<float>();
      product.ldc = product.n;
      measure(precision, kind, [&] { multiply(product); });
    }
  }

  Shares shares() const { return {tokens_, in_, out_, shares_}; }

 private:
  template <class Run>
  void measure(const Precision& precision, const char* kind, Run&& run) {
    const Milliseconds ms = median_ms(run, 3, std::max(arguments_.reps, 9));
    const double gflops = 2e-6 * static_cast<double>(tokens_ * in_ * out_) / ms.median;
    report(arguments_, ms,
           {{"m", tokens_},
            {"k", in_},
            {"n", out_},
            {"kind", kind},
            {"dtype", precision.dtype},
            {"precision", precision.precision},
            {"isa", precision.isa},
            {"gflops", rounded(gflops, 1)},
            {"peak_gflops", rounded(precision.peak, 1)},
            {"share", rounded(gflops / precision.peak, 3)}});
    shares_.push_back(gflops / precision.peak);
  }

  const Arguments& arguments_;
  std::vector<double> shares_;
  int64_t tokens_, in_, out_;
  Tensor x_, weight_, dy_, result_;
};

}  // namespace

double peak_f32_gflops() { return peak_gflops(f32_kernels()); }

void bench_gemm(const Arguments& arguments) {
  if (arguments.device.kind == Device::cuda) return bench_device_gemm(arguments);
  const double peak_f32 = peak_f32_gflops(), peak_bf16 = peak_gflops(products::kernels());
  const char* isa = name_of(instruction_set());
  const std::array<Precision, 3> precisions{{{"float32", "highest", "blas", peak_f32},
                                             {"bfloat16", "bf16", isa, peak_bf16},
                                             {"float32", "high", isa, peak_bf16 / 3}}};
  std::vector<Shares> layers;
  for (const auto& [hidden, token_counts] : kProducts)
    for (const int64_t tokens : token_counts)
      for (const auto& [in, out] :
           {std::pair{hidden, 3 * hidden}, {hidden, hidden}, {hidden, 4 * hidden}, {4 * hidden, hidden}}) {
        Layer layer(arguments, tokens, in, out);
        layer.run_f32(precisions[0]);
        layer.run_packed(precisions[1], PackedForm::bf16);
        layer.run_packed(precisions[2], PackedForm::split);
        layers.push_back(layer.shares());
      }
  if (arguments.table || isatty(STDOUT_FILENO)) print_table(layers, precisions);
}

}  // namespace tessera::bench
