// Training on the device beside training on the CPU: the same batches, tickets and settings.
#include <doctest/doctest.h>

#include "autograd/finite.h"
#include "tensor/cuda/memory.h"
#include "tests/error_text.h"
#include "tests/vilt/tiny_model.h"
#include "vilt/ask/inference.h"

namespace tessera::training_test {
namespace {

using tests::Batches;
using tests::everything;
using tests::PretrainLearner;
using tests::tiny_settings;

Settings on_device(Settings settings) {
  settings.train.device = "cuda";
  return settings;
}

Settings with_dropout() {
  Settings settings = tiny_settings();
  settings.model.hidden_dropout_prob = 0.1;
  settings.model.dropout_after_activation = true;
  settings.train.batch_size = 2;
  settings.objectives.mpp_weight = 1;
  return settings;
}

// The report of one update with everything that is known after it.
Figures update(PretrainLearner& learner, const std::vector<PretrainBatch>& step) {
  Figures report = learner.update(step);
  const auto failed = learner.read_figures(report);
  CHECK_FALSE(failed);
  return report;
}

void check_alike(const Figures& got, const Figures& expected, double bound) {
  const std::pair<double, double> figures[] = {{got.loss, expected.loss},
                                               {got["mlm"].loss, expected["mlm"].loss},
                                               {got["itm"].loss, expected["itm"].loss},
                                               {got["mpp"].loss, expected["mpp"].loss},
                                               {got.gradient_norm, expected.gradient_norm}};
  for (const auto& [g, e] : figures) CHECK(std::abs(g - e) <= bound * std::max(1.0, std::abs(e)));
  // A difference of distances near 1, in f32.
  CHECK(std::abs(got["wpa"].loss - expected["wpa"].loss) <= bound);
  CHECK(got.learning_rate == expected.learning_rate);
  CHECK(got["mlm"].count == expected["mlm"].count);
  CHECK(got["itm"].count == expected["itm"].count);
  CHECK(got["mpp"].count == expected["mpp"].count);
}

}  // namespace

// In f32 both are a thousand roundings (6·10⁻⁸) from the exact step, and what an update makes of a difference grows by
// not more than a factor of a few a step: 1e-4 is far above that, and far below what a wrong mask or a missing term
// does.
TEST_CASE("cuda training follows the CPU's losses and norms, with dropout, and counts the same hits") {
  const Settings settings = with_dropout();
  const Batches batches(settings), levels(on_device(settings));
  PretrainLearner here(settings), there(on_device(settings));
  CHECK(there.parameters().device().kind == Device::cuda);
  for (int64_t i = 0; i < 4; ++i) {
    const auto step = batches.step(i);
    const auto same_step = levels.step(i);  // its patches are levels, which the device normalises
    CHECK(same_step[0].packed.patches.dtype() == DType::u8);
    const Figures expected = update(here, step), got = update(there, same_step);
    CAPTURE(i);
    check_alike(got, expected, 1e-4);
    CHECK(got["mlm"].correct == expected["mlm"].correct);
    CHECK(got["itm"].correct == expected["itm"].correct);
    CHECK(got["mpp"].correct == expected["mpp"].correct);
  }
}

// 1.9 % of a hidden state is the bound of twelve blocks (nn/precision.h), and a loss is a mean of many.
TEST_CASE("cuda training in bf16 follows the CPU's") {
  Settings settings = with_dropout();
  settings.train.precision = "bf16";
  const Batches batches(settings);
  PretrainLearner here(settings), there(on_device(settings));
  for (int64_t i = 0; i < 3; ++i) {
    const auto step = batches.step(i);
    const Figures expected = update(here, step), got = update(there, step);
    check_alike(got, expected, 0.02);
  }
}

TEST_CASE("a training step on the device does not wait for it, and blocks may be computed again in backward") {
  Settings settings = with_dropout();
  const Batches batches(settings);
  PretrainLearner plain(on_device(settings));
  settings.train.checkpoint_blocks = true;
  PretrainLearner again(on_device(settings));
  for (int64_t i = 0; i < 2; ++i) {
    const auto step = batches.step(i);
    const int64_t before = cuda::counters().synchronisations;
    plain.update(step);
    CHECK(cuda::counters().synchronisations == before);
    again.update(step);
  }
  Figures first, second;
  plain.read_figures(first);
  again.read_figures(second);
  CHECK(first.loss == second.loss);
  CHECK(everything(plain) == everything(again));
}

TEST_CASE("patches sent as levels give the losses of patches sent as floats") {
  const Settings settings = with_dropout();
  PretrainLearner here(settings), there(on_device(settings));
  const auto floats = Batches(settings).step(0), levels = Batches(on_device(settings)).step(0);
  CHECK(floats[0].packed.patches.dtype() == DType::f32);
  CHECK(levels[0].packed.patches.dtype() == DType::u8);
  check_alike(update(there, levels), update(here, floats), 1e-4);
}

TEST_CASE("what a kernel finds wrong is told when figures are read") {
  Settings settings = on_device(tiny_settings());
  settings.objectives.ipot_beta = 1e-5;
  const Batches batches(settings);
  PretrainLearner learner(settings);
  learner.update(batches.step(0));
  Figures sum;
  const std::string message = tests::error_of([&] { learner.read_figures(sum); });
  CHECK(message.find("ipot") != std::string::npos);
  CHECK(message.find("beta") != std::string::npos);
}

TEST_CASE("figures of several steps are read at once") {
  const Settings settings = on_device(tiny_settings());
  const Batches batches(settings);
  PretrainLearner one_by_one(settings), at_once(settings);
  Interval expected, got;
  for (int64_t i = 0; i < 3; ++i) {
    expected.add(update(one_by_one, batches.step(i)), 1, 0);
    got.add(at_once.update(batches.step(i)), 1, 0);
  }
  CHECK_FALSE(at_once.read_figures(got.sum));
  CHECK(got.sum.loss == doctest::Approx(expected.sum.loss).epsilon(1e-12));
  CHECK(got.sum.gradient_norm == doctest::Approx(expected.sum.gradient_norm).epsilon(1e-12));
  CHECK(got.sum["mlm"].correct == expected.sum["mlm"].correct);
}

TEST_CASE("a step that is not finite changes nothing on the device, nor does any after it, and is explained") {
  const Settings settings = on_device(tiny_settings());
  const Batches batches(settings);
  PretrainLearner learner(settings);
  learner.update(batches.step(0));
  Figures sum;
  CHECK_FALSE(learner.read_figures(sum));
  const std::string name = "vilt.encoder.layer.1.intermediate.dense.weight";
  Tensor values = learner.parameters().at(name).value();
  std::vector<float> planted(static_cast<size_t>(values.numel()));
  for (size_t i = 0; i < planted.size(); ++i) planted[i] = i % 2 ? 3e38f : 0.0f;
  values.copy_(Tensor::from(planted, values.shape()));
  const auto before = everything(learner);
  learner.update(batches.step(1));
  learner.update(batches.step(2));
  CHECK(everything(learner) == before);
  const auto failed = learner.read_figures(sum);
  REQUIRE(failed);
  CHECK(failed->step == 2);
  const std::string message = tests::error_of([&] { learner.explain_non_finite(batches.step(1), *failed); });
  CHECK(message.find("step 2") != std::string::npos);
  CHECK(message.find("vilt.encoder.layer.1") != std::string::npos);
  CHECK(message.find("nothing was updated") != std::string::npos);
}

}  // namespace tessera::training_test
