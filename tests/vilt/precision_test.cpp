#include "nn/precision.h"

#include <doctest/doctest.h>

#include "tensor/gemm/packed/instruction_set.h"
#include "tensor/gemm/precision.h"
#include "tests/error_text.h"
#include "tests/ops/matrix_reference.h"
#include "tests/vilt/step_gradients.h"

namespace tessera::precision_test {
namespace {

using tests::Batches;
using tests::PretrainLearner;
using tests::tiny_settings;
using tests::TinyModel;

// The environment's products and instruction set when it goes.
struct Restore {
  MatmulPrecision precision = matmul_precision();
  ~Restore() {
    set_matmul_precision(precision);
    force_instruction_set(std::nullopt);
  }
};

// 64 wide, four layers: most products are beyond the size up to which f32 is summed in f64.
Settings wide_settings() {
  Settings settings = tiny_settings();
  settings.model.hidden_size = 64;
  settings.model.num_hidden_layers = 4;
  settings.model.intermediate_size = 256;
  settings.train.batch_size = 8;
  settings.objectives.mpp_weight = 1;
  settings.model = model_config(settings);
  return settings;
}

using Tensors = std::map<std::string, std::vector<double>>;

// The outputs of a step's forward pass and all gradients.
Tensors step_of(const Settings& settings, DType parameters, Precision precision, const Tensor& plan = {}) {
  TinyModel tiny(settings, parameters);
  const ForwardContext context{.activations = use_precision(precision, Device{})};
  const auto step = Batches(settings).step(0);
  const Objectives out = tests::run(tiny, step, 0, objective_options(settings), plan, context);
  out.total.backward();
  tiny.parameters->finish_gradients();
  Tensors tensors;
  const auto keep = [&](const std::string& name, const Tensor& tensor) { tensors[name] = tests::values_of(tensor); };
  keep("hidden", out.hidden.value());
  keep("masked-word logits", out["mlm"].logits.value());
  keep("matching logits", out["itm"].logits.value());
  keep("masked-patch logits", out["mpp"].logits.value());
  keep("costs", out.cost);
  keep("plan", out.plan);
  for (const ParameterSet::Slot& slot : tiny.parameters->slots())
    keep("gradient of " + slot.name, slot.parameter.grad());
  return tensors;
}

double rms(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v * v;
  return std::sqrt(sum / static_cast<double>(std::max<size_t>(1, values.size())));
}

// The root mean square of a tensor's error, relative to that of the tensor.
double error_of(const std::vector<double>& got, const std::vector<double>& exact) {
  std::vector<double> difference = got;
  for (size_t i = 0; i < difference.size(); ++i) difference[i] -= exact[i];
  return rms(difference) / std::max(rms(exact), 1e-12);
}

// The bound of nn/precision.h, of which r is the rounding of one tensor. A plan is exp(-cost / beta), scaled: with
// beta 0.5 and its own sums an error of the costs counts several times.
double bound_of(const std::string& name, double r, int64_t layers) {
  if (name == "plan") return 10 * bound_of("costs", r, layers);
  return r * std::sqrt((name.starts_with("gradient") ? 30.0 : 10.0) * static_cast<double>(layers));
}

}  // namespace

TEST_CASE("Every output and gradient of a step is within the bound of its precision, and beyond that of the next one") {
  const Restore restore;
  const Settings settings = wide_settings();
  const Tensors exact = step_of(settings, DType::f64, Precision::highest);
  struct Case {
    Precision precision;
    double r, finer;
  };
  for (const Case& c : {Case{Precision::highest, 2e-7, 0}, Case{Precision::high, 4.4e-6, 2e-7},
                        Case{Precision::bf16, 1.7e-3, 4.4e-6}}) {
    // Forced, `high` splits operands on any machine.
    if (c.precision == Precision::high) force_instruction_set(machine_instruction_sets().front());
    const Tensors got = step_of(settings, DType::f32, c.precision);
    double most = 0;
    for (const auto& [name, expected] : exact) {
      CAPTURE(name);
      CAPTURE(c.r);
      const double error = error_of(got.at(name), expected);
      CHECK(error <= bound_of(name, c.r, settings.model.num_hidden_layers));
      most = std::max(most, error / bound_of(name, 1, settings.model.num_hidden_layers));
    }
    MESSAGE("the largest share of the bound of r = ", c.r, " is ", most / c.r);
    CHECK(most > c.finer);
    set_matmul_precision(restore.precision);
    force_instruction_set(std::nullopt);
  }
}

TEST_CASE("bf16: hidden states and word logits are bf16, what must not be rounded is f32") {
  Settings settings = wide_settings();
  TinyModel tiny(settings, DType::f32);
  const auto step = Batches(settings).step(0);
  const auto run_in = [&](DType activations) {
    return tests::run(tiny, step, 0, objective_options(settings), {}, {.activations = activations});
  };
  const Objectives out = run_in(use_precision(Precision::bf16, Device{}));
  CHECK(out.hidden.dtype() == DType::bf16);
  CHECK(out["mlm"].logits.dtype() == DType::bf16);
  CHECK(out["mpp"].logits.dtype() == DType::bf16);
  for (const DType dtype : {out["itm"].logits.dtype(), out.cost.dtype(), out.plan.dtype(), out["mlm"].loss.dtype(),
                            out["itm"].loss.dtype(), out["wpa"].loss.dtype(), out.total.dtype()})
    CHECK(dtype == DType::f32);
  CHECK(run_in(use_precision(Precision::highest, Device{})).hidden.dtype() == DType::f32);
}

TEST_CASE("bf16: updates have the same bits on any number of threads, and with blocks computed again") {
  Settings settings = wide_settings();
  settings.train.precision = "bf16";
  settings.model.hidden_dropout_prob = 0.1;
  settings.model.dropout_after_activation = true;
  const auto after = [&](int threads, bool checkpoint_blocks) {
    const int before = thread_count();
    set_thread_count(threads);
    settings.train.checkpoint_blocks = checkpoint_blocks;
    PretrainLearner learner(settings);
    for (int64_t step = 0; step < 3; ++step) learner.update(Batches(settings).step(step));
    set_thread_count(before);
    return tests::everything(learner);
  };
  const auto expected = after(1, false);
  CHECK(after(2, false) == expected);
  CHECK(after(3, true) == expected);
}

TEST_CASE("Precisions have names, and people are told what is computed with") {
  const Restore restore;
  CHECK(precision_named("train.precision", "bf16") == Precision::bf16);
  CHECK(tests::error_of([] { precision_named("train.precision", "bf32"); }) ==
        "train.precision is 'bf32', expected highest, high, tf32 or bf16");
  Settings settings = tiny_settings();
  settings.train.precision = "f16";
  CHECK(tests::error_of([&] { settings.validate(); }) ==
        "setting 'train.precision' is 'f16', expected one of: highest, high, tf32, bf16");
  const auto told = [](Precision precision) {
    return describe_precision(use_precision(precision, Device{}), Device{});
  };
  CHECK(told(Precision::highest) == "f32");
  force_instruction_set(InstructionSet::portable);
  CHECK(told(Precision::bf16) ==
        "bf16 activations, products in bf16 with f32 sums (portable); parameters, statistics and losses in f32");
  CHECK(told(Precision::high) == "f32 activations, products of operands split in two bf16 (portable)");
  CHECK(tests::error_of([&] { told(precision_named("--precision", "tf32")); }) ==
        "precision tf32 is the GPU's (--device cuda); on the CPU choose highest, high or bf16");
}

}  // namespace tessera::precision_test
