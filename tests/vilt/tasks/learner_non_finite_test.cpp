#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "autograd/finite.h"
#include "tests/error_text.h"
#include "tests/vilt/tiny_model.h"

namespace tessera::learner_non_finite_test {
namespace {

using tests::Batches;
using tests::everything;
using tests::lacking;
using tests::PretrainLearner;
using tests::tiny_settings;

void plant(PretrainLearner& learner, const std::string& name, float value) {
  Tensor values = learner.parameters().at(name).value();
  values.mutable_data<float>()[values.numel() / 2] = value;
}

// Every second weight so large that the sums overflow. (All alike would cancel on the rows of a LayerNorm, which sum to
// 0.)
void plant_overflow(PretrainLearner& learner, const std::string& name) {
  Tensor values = learner.parameters().at(name).value();
  for (int64_t i = 0; i < values.numel(); ++i) values.mutable_data<float>()[i] = i % 2 ? 3e38f : 0.0f;
}

// The error of one update on `step`; checks that nothing has been changed by it.
std::string error_of_update(PretrainLearner& learner, const std::vector<PretrainBatch>& step) {
  const auto before = everything(learner);
  const int64_t updates = learner.updates();
  std::string message = "no error";
  try {
    learner.update(step);
  } catch (const NonFinite& error) {
    message = error.what();
  }
  const auto after = everything(learner);
  bool same = before.size() == after.size() && learner.updates() == updates;
  for (const auto& [name, values] : before)
    same = same && std::equal(values.begin(), values.end(), after.at(name).begin(),
                              [](float a, float b) { return a == b || (std::isnan(a) && std::isnan(b)); });
  CHECK(same);
  return message;
}

}  // namespace

TEST_CASE("A parameter that is not finite stops the run by name") {
  const Settings settings = tiny_settings();
  const auto step = Batches(settings).step(0);
  PretrainLearner learner(settings);
  plant(learner, "vilt.encoder.layer.1.attention.qkv.weight", std::numeric_limits<float>::quiet_NaN());
  CHECK(lacking(error_of_update(learner, step),
                {"step 1: parameter vilt.encoder.layer.1.attention.qkv.weight is not finite (sentences ",
                 std::to_string(step[0].sample_ids[0]).c_str()}) == "");
}

TEST_CASE("A patch that is not finite: step, sentences, op and place are named, and nothing is updated") {
  const Settings settings = tiny_settings();
  const Batches batches(settings);
  PretrainLearner learner(settings);
  learner.update(batches.step(0));
  auto step = batches.step(1);
  step[0].packed.patches.mutable_data<float>()[1000] = std::numeric_limits<float>::infinity();
  std::string ids;
  for (const int64_t id : step[0].sample_ids) ids += (ids.empty() ? "(sentences " : ", ") + std::to_string(id);
  const std::string message = error_of_update(learner, step);
  CHECK(lacking(message, {"step 2: loss ", "linear: output 0 in vilt.embeddings is not finite", ids.c_str(),
                          "); nothing was updated"}) == "");
  CHECK(learner.update(batches.step(1)).step == 2);  // the learner goes on with good data
}

TEST_CASE("An overflow is found where it happens") {
  const Settings settings = tiny_settings();
  const auto step = Batches(settings).step(0);
  PretrainLearner learner(settings);
  plant_overflow(learner, "mlm_score.decoder.weight");
  CHECK(lacking(error_of_update(learner, step), {"step 1: loss ", "linear: output 0 in mlm_score is not finite"}) ==
        "");
  PretrainLearner deeper(settings);
  plant_overflow(deeper, "vilt.encoder.layer.1.intermediate.dense.weight");
  CHECK(lacking(error_of_update(deeper, step), {"in vilt.encoder.layer.1", "is not finite"}) == "");
}

TEST_CASE("A gradient that overflows while the loss is finite is found in backward") {
  Settings settings = tiny_settings();
  settings.objectives.itm_weight = 2e38;  // the loss is about 1.4e38
  const auto step = Batches(settings).step(0);
  PretrainLearner learner(settings);
  Tensor weight = learner.parameters().at("itm_score.fc.weight").value();
  for (int64_t i = 0; i < weight.numel(); ++i) weight.mutable_data<float>()[i] *= 100;
  Tensor pooler = learner.parameters().at("vilt.pooler.dense.weight").value();
  for (int64_t i = 0; i < pooler.numel(); ++i) pooler.mutable_data<float>()[i] *= 1e-4f;  // keeps the logits small
  CHECK(lacking(error_of_update(learner, step),
                {"step 1: loss 1.", "gradient of input", "is not finite", "nothing was updated"}) == "");
}

}  // namespace tessera::learner_non_finite_test
