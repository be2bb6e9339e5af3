// Transport plans of a batch, all iterations: beta 0.5, 50 iterations.
#include "bench/bench.h"
#include "tensor/ops/ipot.h"
#include "tensor/philox.h"

namespace tessera::bench {
namespace {

struct BatchSize {
  int64_t batch, words, patches;
};

constexpr BatchSize kSizes[] = {{4, 40, 201}, {64, 40, 201}, {32, 16, 50}};

// 0, length, 2 · length, ...: marks of sequences of one length.
Tensor even_marks(int64_t sequences, int64_t length) {
  std::vector<int64_t> marks;
  for (int64_t s = 0; s <= sequences; ++s) marks.push_back(s * length);
  return Tensor::from(marks);
}

}  // namespace

void bench_ipot(const Arguments& arguments) {
  Random random(0);
  for (const auto [batch, words, patches] : kSizes) {
    std::vector<float> values(static_cast<size_t>(batch * words * patches));
    for (float& value : values) value = static_cast<float>(random.uniform());
    const Tensor cost = Tensor::from(values);
    const Tensor cu_words = even_marks(batch, words), cu_patches = even_marks(batch, patches);
    const Milliseconds ms =
        median_ms([&] { ops::ipot(cost, cu_words, cu_patches, 0.5, 50); }, arguments.warmup, arguments.reps);
    report(arguments, ms, {{"batch", batch}, {"words", words}, {"patches", patches}});
  }
}

}  // namespace tessera::bench
