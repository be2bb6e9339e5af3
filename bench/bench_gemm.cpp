// The three products of a linear layer at the sizes of ViLT-B/32 with 1, 4 and 16 sequences of 241 tokens.
#include "bench/bench.h"
#include "tensor/gemm.h"
#include "tensor/philox.h"

namespace tessera::bench {
namespace {

struct LayerSize {
  int64_t in, out;
};

constexpr int64_t kTokens[] = {241, 964, 3856};
constexpr LayerSize kLayers[] = {{768, 2304}, {768, 768}, {768, 3072}, {3072, 768}};

std::vector<float> normal_values(int64_t count, uint64_t stream) {
  Random random(0, stream);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = static_cast<float>(random.normal());
  return values;
}

}  // namespace

void bench_gemm(const Arguments& arguments) {
  for (const int64_t tokens : kTokens) {
    for (const auto [in, out] : kLayers) {
      const std::vector<float> x = normal_values(tokens * in, 0), weight = normal_values(out * in, 1);
      const std::vector<float> dy = normal_values(tokens * out, 2);
      std::vector<float> result(static_cast<size_t>(std::max({tokens * out, tokens * in, out * in})));
      Gemm<float> forward{.m = tokens, .n = out, .k = in, .a = x.data(), .lda = in, .b = weight.data(), .ldb = in};
      forward.transpose_b = true;
      const Gemm<float> dgrad{.m = tokens, .n = in, .k = out, .a = dy.data(), .lda = out, .b = weight.data(), .ldb = in};
      Gemm<float> wgrad{.m = out, .n = in, .k = tokens, .a = dy.data(), .lda = out, .b = x.data(), .ldb = in};
      wgrad.transpose_a = true;

      const std::pair<const char*, Gemm<float>> products[] = {{"forward", forward}, {"dgrad", dgrad}, {"wgrad", wgrad}};
      for (auto [kind, product] : products) {
        product.c = result.data();
        product.ldc = product.n;
        const Milliseconds ms = median_ms([&] { gemm(product); }, 3, std::max(arguments.reps, 9));
        const double gflops = 2e-6 * static_cast<double>(tokens * in * out) / ms.median;
        report(arguments, ms,
               {{"m", tokens}, {"k", in}, {"n", out}, {"kind", kind}, {"dtype", "float32"}, {"gflops", rounded(gflops, 1)}});
      }
    }
  }
}

}  // namespace tessera::bench
