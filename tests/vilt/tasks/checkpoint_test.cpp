#include "train/checkpoint.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "io/files.h"
#include "io/safetensors.h"
#include "tests/error_text.h"
#include "tests/vilt/tiny_model.h"
#include "vilt/ask/inference.h"
#include "vilt/files/load_model.h"

namespace tessera::checkpoint_test {
namespace {

namespace fs = std::filesystem;
using tests::Batches;
using tests::error_of;
using tests::everything;
using tests::lacking;
using tests::PretrainLearner;
using tests::TemporaryDirectory;
using tests::tiny_scenes;
using tests::tiny_settings;

TrainingState state_of(PretrainLearner& learner, const Settings& settings) {
  TrainingState state;
  state.interval = Interval(learner.task().figure_table());
  state.step = learner.updates();
  state.train_seconds = 1.0 / 3;
  state.seed = 0xFFFFFFFFFFFFFFFF;
  state.schedule = learner.schedule();
  state.interval.steps = 3;
  state.interval.seconds = 0.1;
  state.interval.sum.loss = 1.0 / 7;
  state.interval.sum.terms[0].count = 12;
  state.settings = settings.to_toml();
  return state;
}

void save(const fs::path& run, PretrainLearner& learner, const Settings& settings) {
  tests::save_run(run, state_of(learner, settings), learner, settings);
}

// A run's directory with a checkpoint after `steps` updates.
struct SavedRun {
  Settings settings = tiny_settings();
  TemporaryDirectory directory;
  PretrainLearner learner{settings};
  fs::path run = directory.path() / "run";
  fs::path checkpoint;

  explicit SavedRun(int64_t steps = 2) {
    const Batches batches(settings);
    for (int64_t i = 0; i < steps; ++i) learner.update(batches.step(i));
    save(run, learner, settings);
    checkpoint = run / ("checkpoint-" + std::to_string(steps));
  }
  std::string load_error() {
    PretrainLearner fresh(settings);
    const auto before = everything(fresh);
    const std::string message = error_of([&] { tests::load_run(checkpoint, settings, fresh); });
    CHECK(everything(fresh) == before);  // all or nothing
    CHECK(fresh.updates() == 0);
    return message;
  }
  std::string model_error() const {
    return error_of([&] { load_model(run); });
  }
  void replace(const std::string& file, const std::string& from, const std::string& to) const {
    const auto bytes = read_file(checkpoint / file);
    std::string contents(bytes.begin(), bytes.end());
    const size_t at = contents.find(from);
    REQUIRE(at != std::string::npos);
    contents.replace(at, from.size(), to);
    std::ofstream(checkpoint / file, std::ios::binary) << contents;
  }
  void cut(const std::string& file) const { fs::resize_file(checkpoint / file, fs::file_size(checkpoint / file) / 2); }
};

std::set<std::string> names_in(const fs::path& folder) {
  std::set<std::string> out;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) out.insert(entry.path().filename().string());
  return out;
}

TEST_CASE("Checkpoints are removed with what killed processes have left; nothing else is") {
  const SavedRun saved;
  fs::copy(saved.checkpoint, saved.run / "checkpoint-1", fs::copy_options::recursive);
  fs::create_directories(saved.run / "partial-checkpoint-3");
  fs::create_directories(saved.run / "partial-checkpoint-old");
  std::ofstream(saved.run / "checkpoint-notes.txt") << "mine";
  remove_checkpoints(saved.run);
  CHECK_FALSE(newest_checkpoint(saved.run).has_value());
  REQUIRE(fs::exists(saved.run / "checkpoint-notes.txt"));
  fs::remove(saved.run / "checkpoint-notes.txt");
  CHECK(fs::is_empty(saved.run));
  remove_checkpoints(saved.run / "nowhere");
}

}  // namespace

TEST_CASE("k steps, a checkpoint, and the rest equal all steps at once, bit for bit") {
  Settings settings = tiny_settings();
  settings.model.hidden_dropout_prob = 0.1;
  const Batches batches(settings);
  PretrainLearner whole(settings);
  std::vector<Figures> expected;
  for (int64_t i = 0; i < 6; ++i) expected.push_back(whole.update(batches.step(i)));

  const TemporaryDirectory directory;
  {
    PretrainLearner first(settings);
    for (int64_t i = 0; i < 3; ++i) first.update(batches.step(i));
    save(directory.path(), first, settings);
  }
  PretrainLearner rest(settings);
  tests::load_run(*newest_checkpoint(directory.path()), settings, rest);
  CHECK(rest.updates() == 3);
  for (int64_t i = 3; i < 6; ++i) {
    const Figures report = rest.update(batches.step(i));
    CHECK(report.loss == expected[static_cast<size_t>(i)].loss);
    CHECK(report.gradient_norm == expected[static_cast<size_t>(i)].gradient_norm);
    CHECK(report.learning_rate == expected[static_cast<size_t>(i)].learning_rate);
  }
  CHECK(everything(rest) == everything(whole));
}

TEST_CASE("A checkpoint holds the files it should, and the state survives") {
  SavedRun saved;
  CHECK(names_in(saved.checkpoint) == std::set<std::string>{"model.safetensors", "config.json",
                                                            "preprocessor_config.json", "vocab.txt",
                                                            "optimizer.safetensors", "state.json"});
  const TrainingState state = read_training_state(saved.checkpoint, objective_table({})),
                      expected = state_of(saved.learner, saved.settings);
  CHECK(state.step == 2);
  CHECK(state.train_seconds == expected.train_seconds);
  CHECK(state.seed == expected.seed);
  CHECK(state.schedule.peak == expected.schedule.peak);
  CHECK(state.schedule.total == expected.schedule.total);
  CHECK(state.interval.sum.loss == expected.interval.sum.loss);
  CHECK(state.interval.steps == 3);
  CHECK(state.interval.sum["mlm"].count == 12);
  CHECK(state.settings == expected.settings);
  const auto bytes = read_file(saved.checkpoint / "state.json");
  CHECK(nlohmann::json::parse(bytes)["data_cursor"]["next_step"] == 2);
}

TEST_CASE("A model that is loaded for use answers as the one in memory") {
  SavedRun saved;
  const LoadedModel from_run = load_model(saved.run), from_checkpoint = load_model(saved.checkpoint);
  CHECK(from_run.directory == saved.checkpoint);
  CHECK(from_run.config.to_json() == saved.settings.model.to_json());
  CHECK(from_run.vocabulary->tokens() == tiny_scenes().vocabulary().tokens());
  CHECK_FALSE(from_run.preprocessing.resize);
  CHECK(from_run.preprocessing.patch == 16);
  CHECK(from_run.preprocessing.shorter == 64);
  CHECK(from_run.preprocessing.norm.mean == sample_options(saved.settings).norm.mean);
  CHECK(from_run.preprocessing.norm.std == sample_options(saved.settings).norm.std);
  CHECK(from_run.preprocessing.max_length == 40);
  const Dataset dataset = tiny_scenes().open("test");
  const SampleSource source(dataset, *from_run.vocabulary, from_run.preprocessing);
  const std::vector<Question> pair = {{source.text(0).ids, {std::make_shared<const PatchedImage>(source.patched(0))}}};
  CHECK(match_scores(*from_run.model, pair) == match_scores(saved.learner.model(), pair));
  CHECK(match_scores(*from_checkpoint.model, pair) == match_scores(saved.learner.model(), pair));
}

TEST_CASE("Half-written checkpoints are ignored, and cleaned up by the next whole one; so are older ones") {
  SavedRun saved;
  fs::create_directories(saved.run / "partial-checkpoint-9");
  std::ofstream(saved.run / "partial-checkpoint-9" / "model.safetensors") << "half";
  for (const char* name :
       {"checkpoint-", "checkpoint-7b", "checkpoint--3", "checkpoint-99999999999999999999", "other-12"})
    fs::create_directories(saved.run / name);
  CHECK(*newest_checkpoint(saved.run) == saved.checkpoint);
  const Batches batches(saved.settings);
  for (int64_t i = 2; i < 10; ++i) saved.learner.update(batches.step(i));
  save(saved.run, saved.learner, saved.settings);
  CHECK(newest_checkpoint(saved.run)->filename() == "checkpoint-10");  // not the last by name
  CHECK(names_in(saved.run) == std::set<std::string>{"checkpoint-10", "checkpoint-", "checkpoint-7b", "checkpoint--3",
                                                     "checkpoint-99999999999999999999", "other-12"});
  CHECK_FALSE(newest_checkpoint(saved.directory.path() / "nowhere"));
  CHECK_FALSE(newest_checkpoint(saved.directory.path()));
  // A kill between writing the new one and removing the old one leaves both: the newer counts.
  fs::copy(saved.run / "checkpoint-10", saved.run / "checkpoint-9", fs::copy_options::recursive);
  CHECK(newest_checkpoint(saved.run)->filename() == "checkpoint-10");
}

TEST_CASE("Files of a checkpoint that are missing or damaged are named") {
  for (const char* file : {"model.safetensors", "optimizer.safetensors"}) {
    SavedRun cut;
    cut.cut(file);
    CHECK(lacking(cut.load_error(), {file}) == "");
    fs::remove(cut.checkpoint / file);
    CHECK(lacking(cut.load_error(), {file}) == "");
  }
  const SavedRun saved;
  fs::remove(saved.checkpoint / "state.json");
  CHECK(lacking(error_of([&] { read_training_state(saved.checkpoint, objective_table({})); }), {"state.json"}) == "");
  for (const char* file : {"config.json", "vocab.txt", "preprocessor_config.json"}) {
    const SavedRun other;
    fs::remove(other.checkpoint / file);
    CHECK(lacking(other.model_error(), {file}) == "");
  }
  for (const char* file : {"config.json", "preprocessor_config.json"}) {
    const SavedRun other;
    other.cut(file);
    CHECK(lacking(other.model_error(), {file, ": not ", " JSON"}) == "");
  }
}

TEST_CASE("state.json: wrong fields are named") {
  const auto error = [](const std::string& from, const std::string& to) {
    const SavedRun saved;
    saved.replace("state.json", from, to);
    return error_of([&] { read_training_state(saved.checkpoint, objective_table({})); });
  };
  CHECK(lacking(error("\"step\": 2", "\"step\": -2"), {"state.json: step is -2"}) == "");
  CHECK(lacking(error("\"step\": 2", "\"step\": \"two\""), {"state.json: ", "number"}) == "");
  CHECK(lacking(error("\"seed\"", "\"sead\""), {"state.json: ", "seed"}) == "");
  CHECK(lacking(error("\"warmup\"", "\"warm\""), {"state.json: ", "warmup"}) == "");
  CHECK(lacking(error("\"since_logged\": {", "\"since_logged\": {{"), {"state.json: not a JSON object"}) == "");
}

TEST_CASE("preprocessor_config.json and vocab.txt have to fit the model") {
  const auto error = [](const std::string& file, const std::string& from, const std::string& to) {
    const SavedRun saved;
    saved.replace(file, from, to);
    return saved.model_error();
  };
  const std::string preprocessing = "preprocessor_config.json";
  CHECK(
      lacking(error(preprocessing, "\"size_divisor\": 16", "\"size_divisor\": 24"),
              {"preprocessor_config.json: field 'size_divisor' is 24, expected a multiple of the model's patch, 16"}) ==
      "");
  CHECK(lacking(error("vocab.txt", "[PAD]\n", "[PAD]\nsurplus\n"), {"vocab.txt: has ", " tokens, the model "}) == "");
}

TEST_CASE("A checkpoint of another model: differences are listed, and nothing is loaded") {
  SavedRun saved;
  saved.settings.model.num_hidden_layers = 1;
  saved.settings.model.hidden_size = 24;
  const std::string message = saved.load_error();
  CHECK(lacking(message, {"model.safetensors: the tensors are not those of the model; nothing was loaded",
                          "16 are unexpected, all 'vilt.encoder.layer.1.…'; 35 have other shapes",
                          "itm_score.fc.weight is [2, 16], expected [2, 24]"}) == "");
}

TEST_CASE("Moments of another choice of objectives do not fit") {
  SavedRun saved;
  saved.settings.objectives.mlm_weight = 0;
  CHECK(lacking(saved.load_error(), {"optimizer.safetensors: does not fit the optimiser:", "exp_avg.mlm_score.bias"}) ==
        "");
}

TEST_CASE("What is neither a run nor a checkpoint") {
  const TemporaryDirectory directory;
  CHECK(error_of([&] { load_model(directory.path()); }) ==
        directory.path().string() +
            ": neither a model (model.safetensors, pytorch_model.bin) nor a run with a checkpoint");
  CHECK(error_of([&] { load_model(directory.path() / "x"); }) ==
        (directory.path() / "x").string() +
            ": no such file or directory; expected a model's folder, a run or a file of weights");
}

}  // namespace tessera::checkpoint_test
