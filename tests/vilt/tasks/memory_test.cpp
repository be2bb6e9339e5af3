#include "vilt/tasks/memory.h"

#include <doctest/doctest.h>

#include "tensor/allocator.h"
#include "tensor/gemm/packed/instruction_set.h"
#include "tensor/gemm/precision.h"
#include "tests/vilt/tiny_model.h"

namespace tessera::memory_test {
namespace {

using tests::Batches;
using tests::PretrainLearner;
using tests::tiny_settings;

struct Measured {
  int64_t peak = 0;           // of one update, above what was there before the learner
  int64_t beside_arenas = 0;  // the same without parameters, gradients and moments
};

Measured measure(const Settings& settings, const std::vector<PretrainBatch>& step) {
  release_cached_memory();
  const int64_t before = memory_statistics().live_bytes;
  PretrainLearner learner(settings);
  learner.update(step);  // threads take their scratch memory
  const int64_t between = memory_statistics().live_bytes;
  reset_peak_memory();
  learner.update(step);
  return {memory_statistics().peak_bytes - before, memory_statistics().peak_bytes - between};
}

}  // namespace

TEST_CASE("The memory of a step is predicted within 10 %, as a whole and beside the parameters") {
  Settings settings = tiny_settings();
  settings.train.batch_size = 24;
  SUBCASE("64 wide, 4 layers") {
    settings.model.hidden_size = 64;
    settings.model.num_hidden_layers = 4;
    settings.model.intermediate_size = 256;
  }
  SUBCASE("96 wide, 7 layers") {
    settings.model.hidden_size = 96;
    settings.model.num_hidden_layers = 7;
    settings.model.num_attention_heads = 4;
    settings.model.intermediate_size = 384;
    settings.train.batch_size = 12;
  }
  SUBCASE("a narrow MLP, masked patches too") {
    settings.model.hidden_size = 80;
    settings.model.num_hidden_layers = 3;
    settings.model.intermediate_size = 80;
    settings.objectives.mpp_weight = 1;
  }
  SUBCASE("bf16") {
    settings.model.hidden_size = 64;
    settings.model.num_hidden_layers = 4;
    settings.model.intermediate_size = 256;
    settings.train.precision = "bf16";
  }
  SUBCASE("high, operands split") {
    settings.model.hidden_size = 128;
    settings.model.num_hidden_layers = 3;
    settings.model.intermediate_size = 512;
    settings.train.precision = "high";
    force_instruction_set(machine_instruction_sets().front());  // forced, it splits on any machine
  }
  const bool split = settings.train.precision == "high";
  const DType activations = settings.train.precision == "bf16" ? DType::bf16 : DType::f32;
  for (const double dropout : {0.0, 0.1})
    for (const bool checkpoint_blocks : {false, true}) {
      settings.model.hidden_dropout_prob = dropout;
      settings.train.checkpoint_blocks = checkpoint_blocks;
      const auto step = Batches(settings).step(0);
      const Measured measured = measure(settings, step);
      ViltWithHeads model(model_config(settings));
      MemoryOptions options{dropout, settings.model.dropout_after_activation ? dropout : 0, checkpoint_blocks,
                            activations, split};
      const StepMemory predicted = step_memory(model, shape_of(step[0]), options);
      const auto share = [](int64_t a, int64_t b) { return static_cast<double>(a) / static_cast<double>(b); };
      CAPTURE(dropout);
      CAPTURE(checkpoint_blocks);
      // The batch was there before the learner.
      const double whole = share(predicted.peak() - predicted.batch, measured.peak);
      const double rest = share(predicted.activations + predicted.others + predicted.working, measured.beside_arenas);
      CAPTURE(predicted.working);
      CAPTURE(predicted.activations);
      CAPTURE(predicted.others);
      CAPTURE(measured.beside_arenas);
      CHECK(std::abs(whole - 1) < 0.1);
      CHECK(std::abs(rest - 1) < 0.1);
    }
  force_instruction_set(std::nullopt);
  set_matmul_precision(MatmulPrecision::highest);
}

}  // namespace tessera::memory_test
