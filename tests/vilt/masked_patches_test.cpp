// Masked patch prediction through the model, the objectives, an update, a checkpoint and a run.
#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "autograd/functions.h"
#include "io/files.h"
#include "tests/error_text.h"
#include "tests/ops/reference.h"
#include "tests/vilt/step_gradients.h"
#include "train/checkpoint.h"
#include "vilt/files/state_dict.h"
#include "vilt/tasks/task_losses.h"
#include "vilt/tasks/trainer.h"

namespace tessera::masked_patches_test {
namespace {

namespace fs = std::filesystem;
using tests::Batches;
using tests::everything;
using tests::PretrainLearner;
using tests::run;
using tests::tiny_settings;
using tests::TinyModel;

Settings settings_with_patches(double weight = 0.5) {
  Settings settings = tiny_settings();
  settings.objectives.mpp_weight = weight;
  settings.objectives.patch_mask_rate = 0.3;
  settings.model = model_config(settings);
  return settings;
}

// The mask token starts as zero, where an error in its sign would not show.
void fill_token(TinyModel& tiny) {
  Tensor token = tiny.parameters->at("vilt.embeddings.mask_token").value();
  Random random(8);
  for (int64_t i = 0; i < token.numel(); ++i) {
    if (token.dtype() == DType::f64)
      token.mutable_data<double>()[i] = random.normal();
    else
      token.mutable_data<float>()[i] = static_cast<float>(random.normal());
  }
}

double item(const Variable& v) { return v.value().item<double>(); }

std::vector<nlohmann::json> rows(const fs::path& run) {
  std::vector<nlohmann::json> out;
  const auto bytes = read_file(run / "metrics.jsonl");
  std::istringstream in(std::string(bytes.begin(), bytes.end()));
  for (std::string line; std::getline(in, line);) out.push_back(nlohmann::json::parse(line));
  return out;
}

std::string train_log(const Settings& settings) {
  std::ostringstream log;
  TrainOptions options;
  options.log = &log;
  train(settings, options);
  return log.str();
}

}  // namespace

TEST_CASE("Gradient check of a whole step with masked patches, the plan frozen") {
  const Settings settings = settings_with_patches();
  const auto step = Batches(settings).step(0);
  REQUIRE(step[0].packed.replaced_patches.defined());
  REQUIRE(step[0].packed.replaced_patches.numel() < step[0].masked_patches());
  TinyModel tiny(settings, DType::f64);
  fill_token(tiny);
  ObjectiveOptions options = objective_options(settings);
  const Tensor plan = run(tiny, step, 0, options).plan;
  const tests::Comparison all = tests::compare(tiny, step, options, plan, 2);
  INFO("worst: ", all.name);
  CHECK(all.worst < 1);
  options.mlm_weight = options.itm_weight = options.wpa_weight = 0;
  const tests::Comparison alone = tests::compare(tiny, step, options, {}, 2);
  INFO("worst: ", alone.name);
  CHECK(alone.worst < 1);
  tiny.parameters->clear_gradients();
  run(tiny, step, 0, options).total.backward();
  const std::vector<std::string> reached = tiny.parameters->reached();
  for (const char* name : {"vilt.embeddings.mask_token", "mpp_score.transform.dense.weight", "mpp_score.decoder.bias"})
    CHECK(std::find(reached.begin(), reached.end(), name) != reached.end());
}

TEST_CASE("The loss is the mean cross-entropy over the targets' channels; a hidden patch's content has no influence") {
  const Settings settings = settings_with_patches(2);
  auto step = Batches(settings).step(1);
  TinyModel tiny(settings, DType::f64);
  fill_token(tiny);
  ObjectiveOptions options = objective_options(settings);
  options.mlm_weight = options.itm_weight = options.wpa_weight = 0;
  const Objectives out = run(tiny, step, 0, options);
  const Tensor logits = out["mpp"].logits.value();
  const auto colours = step[0].objectives.target_colours.to_vector<int64_t>();
  REQUIRE(logits.numel() == static_cast<int64_t>(colours.size()) * 256);
  const double expected = reference::cross_entropy(logits.view({-1, 256}), colours, true, -100);
  CHECK(item(out["mpp"].loss) == doctest::Approx(expected).epsilon(1e-12));
  CHECK(item(out.total) == doctest::Approx(2 * item(out["mpp"].loss)).epsilon(1e-14));
  CHECK_FALSE(out["mlm"].loss.defined());

  const NoGrad guard;
  const Tensor rows = step[0].objectives.target_rows;
  const Variable before = gather_rows({tiny.model.vilt(step[0].packed, {})}, rows);
  const int64_t patch = step[0].packed.replaced_patches.to_vector<int64_t>()[0],
                values = step[0].packed.patches.size(1);
  std::fill_n(step[0].packed.patches.mutable_data<float>() + patch * values, values, 7.0f);
  const Variable after = gather_rows({tiny.model.vilt(step[0].packed, {})}, rows);
  CHECK(before.value().to_vector<double>() == after.value().to_vector<double>());
}

TEST_CASE("A hidden patch keeps its position") {
  const Settings settings = settings_with_patches();
  const auto step = Batches(settings).step(0);
  TinyModel tiny(settings, DType::f64);
  fill_token(tiny);
  Observations seen;
  seen.keep_hidden = true;
  tiny.model.vilt(step[0].packed, {}, &seen);
  const PackedBatch& packed = step[0].packed;
  const auto gather = packed.gather.to_vector<int64_t>(), replaced = packed.replaced_patches.to_vector<int64_t>();
  const auto index = packed.position_index.to_vector<int64_t>();
  const auto weight = packed.position_weight.to_vector<double>();
  const auto table = tests::values_of(tiny.model.vilt.position_embeddings.value());
  const auto token = tests::values_of(tiny.model.vilt.mask_token.value());
  const auto modality = tests::values_of(tiny.model.vilt.modality_embeddings.weight.value());
  const auto embedded = seen.hidden[0].to_vector<double>();
  const int64_t first = packed.token_ids.numel() + 1 + packed.patches.size(0);
  int compared = 0;
  for (size_t row = 0; row < gather.size(); ++row) {
    if (gather[row] < first) continue;
    const auto patch = static_cast<size_t>(replaced[static_cast<size_t>(gather[row] - first)]);
    for (size_t c = 0; c < 16; ++c) {
      double expected = token[c] + modality[16 + c];
      for (size_t k = 4 * patch; k < 4 * patch + 4; ++k)
        expected += weight[k] * table[static_cast<size_t>(index[k]) * 16 + c];
      CHECK(embedded[row * 16 + c] == doctest::Approx(expected).epsilon(1e-12));
    }
    ++compared;
  }
  CHECK(compared == packed.replaced_patches.numel());
}

TEST_CASE("k micro-batches of b equal one batch of k · b, masked patches included") {
  Settings settings = settings_with_patches();
  settings.train.batch_size = 8;
  const auto whole = Batches(settings).step(0);
  settings.train.accumulate = 4;
  const auto parts = Batches(settings).step(0);
  CHECK(count_divisors(parts)[3] == whole[0].masked_patches());
  const TinyModel one(settings, DType::f64), many(settings, DType::f64);
  const ObjectiveOptions options = objective_options(settings);
  const Objectives expected = run(one, whole, 0, options);
  expected.total.backward();
  double total = 0, mpp = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    const Objectives part = run(many, parts, i, options);
    part.total.backward();
    total += item(part.total);
    if (part["mpp"].loss.defined()) mpp += item(part["mpp"].loss);
  }
  CHECK(total == doctest::Approx(item(expected.total)).epsilon(1e-12));
  CHECK(mpp == doctest::Approx(item(expected["mpp"].loss)).epsilon(1e-12));
  one.parameters->finish_gradients();
  many.parameters->finish_gradients();
  for (const ParameterSet::Slot& slot : one.parameters->slots()) {
    INFO(slot.name);
    const auto a = tests::values_of(many.parameters->at(slot.name).grad()), b = tests::values_of(slot.parameter.grad());
    CHECK(tests::relative_difference(a, b) < 1e-12);
  }
}

TEST_CASE("Off by default: no head, no pass, and its settings change no bit") {
  Settings settings = tiny_settings();
  CHECK(settings.objectives.mpp_weight == 0);
  CHECK_FALSE(collator_options(settings).masked_patches);
  settings.model.hidden_dropout_prob = 0.1;
  const auto course = [](const Settings& s) {
    const Batches batches(s);
    PretrainLearner learner(s);
    for (int64_t i = 0; i < 3; ++i)
      CHECK(learner.update(batches.step(i)).terms.size() == 3);  // no figure of masked patches
    return everything(learner);
  };
  const auto expected = course(settings);
  for (const auto& [name, values] : expected) {
    CHECK(name.find("mpp_score") == std::string::npos);
    CHECK(name.find("mask_token") == std::string::npos);
  }
  settings.objectives.patch_mask_rate = 0.9;
  settings.objectives.patch_replace_rate = 0.1;
  CHECK(course(settings) == expected);
}

TEST_CASE("With a weight: the head and the mask token train, and the report has the term") {
  Settings settings = settings_with_patches();
  settings.train.steps = 24;  // steps differ in their batches by more than the first eight learn
  const Batches batches(settings);
  PretrainLearner learner(settings);
  CHECK(learner.model().masked_patches.has_value());
  CHECK(tests::largest(tests::values_of(learner.model().vilt.mask_token.value())) == 0);
  const auto before = everything(learner);
  double first = 0, last = 0;
  for (int64_t i = 0; i < 24; ++i) {
    const auto step = batches.step(i);
    const Figures report = learner.update(step);
    CHECK(report["mpp"].count == 3 * step[0].masked_patches());
    CHECK(report["mpp"].correct <= report["mpp"].count);
    CHECK(report.loss ==
          doctest::Approx(report["mlm"].loss + report["itm"].loss + 0.1 * report["wpa"].loss + 0.5 * report["mpp"].loss)
              .epsilon(1e-5));
    (i == 0 ? first : last) = report["mpp"].loss;
  }
  CHECK(first == doctest::Approx(std::log(256)).epsilon(0.1));
  CHECK(last < first);
  const auto after = everything(learner);
  for (const char* name :
       {"vilt.embeddings.mask_token", "mpp_score.transform.dense.weight", "mpp_score.decoder.weight"})
    CHECK(before.at(name) != after.at(name));

  Settings off = settings;
  off.objectives.mpp_weight = 0;
  PretrainLearner without(off);
  CHECK(without.parameters().find("vilt.embeddings.mask_token") == nullptr);
}

TEST_CASE("A step without a target has the other terms alone") {
  Settings settings = settings_with_patches();
  settings.objectives.patch_mask_rate = 1e-12;
  const auto step = Batches(settings).step(0);
  CHECK(step[0].masked_patches() == 0);
  PretrainLearner learner(settings);
  const Figures report = learner.update(step);
  CHECK(report["mpp"].loss == 0);
  CHECK(std::isfinite(report.loss));
}

TEST_CASE("The equation, and what does not fit, say so") {
  ObjectiveOptions options;
  options.mlm_weight = options.itm_weight = options.wpa_weight = 0;
  options.mpp_weight = 0.25;
  CHECK(loss_equation(options) == "loss = 0.25 · mpp (mean over the channels of masked patches)");
  const auto step = Batches(settings_with_patches()).step(0);
  const TinyModel without(tiny_settings(), DType::f32);
  CHECK(tests::error_of([&] { without.model.vilt(step[0].packed, {}); }) ==
        "vilt: the batch hides patches, but the model has no mask token");
  const Tensor row = Tensor::from(std::vector<int64_t>{0});
  CHECK(tests::error_of([&] {
          without.model.masked_patch_logits(Variable(Tensor::zeros({3, 16})), row);
        }) == "the model has no head for masked patches (mpp_score)");
  CHECK(tests::error_of([&] {
          patch_loss(Variable(Tensor::zeros({0, 768})), Tensor::zeros({0, 3}, DType::i64), 0);
        }) == "patch_loss: a step of 0 samples");
}

TEST_CASE("config.json of a run says that there is a head for masked patches; files have the mask token as [1, 1, d]") {
  const Settings settings = settings_with_patches();
  CHECK(ModelConfig::from_json(settings.model.to_json(), "config.json").heads.masked_patches);
  CHECK_FALSE(ModelConfig::from_json(tiny_settings().model.to_json(), "config.json").heads.masked_patches);
  CHECK(tests::error_of([] {
          ModelConfig::from_json(R"({"architectures": ["ViLTPretraining"], "masked_patches": 1})", "config.json");
        }) == "config.json: field 'masked_patches' has the value 1, expected true or false");
  const TinyModel tiny(settings, DType::f32);
  const StateDict views = file_views(tiny.parameters->state(), settings.model);
  CHECK(views.at("vilt.embeddings.mask_token").shape() == Shape{1, 1, 16});
  CHECK(views.contains("mpp_score.decoder.weight"));
}

TEST_CASE("A run with masked patches that is stopped and continued ends with the same bits and metrics") {
  const tests::TemporaryDirectory directory;
  Settings settings = settings_with_patches();
  settings.train.steps = 4;
  settings.train.log_every = 3;
  settings.train.evaluate_every = 0;
  settings.train.checkpoint_every = 2;
  settings.train.out = directory.path() / "whole";
  const std::string log = train_log(settings);
  CHECK(tests::lacking(log, {"mpp_weight = 0.5", "+ 0.5 · mpp (mean over the channels of masked patches)"}) == "");
  const auto expected = rows(settings.train.out);
  CHECK(expected[0]["mpp_loss"].is_number());
  CHECK(expected[0]["mpp_accuracy"].is_number());

  // The state between two logged rows is in the checkpoint.
  Settings first = settings;
  first.train.out = directory.path() / "parts";
  {
    const Batches batches(settings);
    PretrainLearner learner(settings);
    TrainingState state;
    for (int64_t i = 0; i < 2; ++i) state.interval.add(learner.update(batches.step(i)), 0.1, 0);
    state.step = 2;
    state.schedule = learner.schedule();
    state.settings = first.to_toml();
    tests::save_run(first.train.out, state, learner, settings);
    const TrainingState read = read_training_state(*newest_checkpoint(first.train.out), learner.task().figure_table());
    CHECK(read.interval.sum["mpp"].loss == state.interval.sum["mpp"].loss);
    CHECK(read.interval.sum["mpp"].count == state.interval.sum["mpp"].count);
    CHECK(read.interval.sum["mpp"].correct == state.interval.sum["mpp"].correct);
  }
  std::ofstream(fs::path(first.train.out) / "settings.toml") << first.to_toml();
  CHECK(tests::lacking(train_log(first), {"continuing from step 2 of 4"}) == "");
  const auto got = rows(first.train.out);
  REQUIRE(got.size() == expected.size());
  for (size_t i = 0; i < got.size(); ++i)
    for (const char* key : {"step", "loss", "mpp_loss", "mpp_accuracy", "grad_norm"})
      if (expected[i].contains(key)) CHECK(got[i][key] == expected[i][key]);
  const auto model = [](const fs::path& run) { return read_file(*newest_checkpoint(run) / "model.safetensors"); };
  CHECK(model(first.train.out) == model(settings.train.out));
}

TEST_CASE("Without masked patches a run's rows and checkpoints do not mention them") {
  const tests::TemporaryDirectory directory;
  Settings settings = tiny_settings();
  settings.train.steps = 2;
  settings.train.log_every = 1;
  settings.train.out = directory.path() / "run";
  train_log(settings);
  for (const nlohmann::json& row : rows(settings.train.out)) CHECK_FALSE(row.contains("mpp_loss"));
  const fs::path checkpoint = *newest_checkpoint(settings.train.out);
  for (const char* file : {"state.json", "config.json"}) {
    const auto bytes = read_file(checkpoint / file);
    const std::string content(bytes.begin(), bytes.end());
    CHECK(content.find("mpp_loss") == std::string::npos);
    CHECK(content.find("masked_patches") == std::string::npos);
  }
}

}  // namespace tessera::masked_patches_test
