#include "vilt/tasks/trainer.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "data/text/vocabulary.h"
#include "io/files.h"
#include "io/safetensors.h"
#include "tests/error_text.h"
#include "tests/vilt/tiny_model.h"
#include "train/checkpoint.h"

namespace tessera::trainer_test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using tests::error_of;
using tests::lacking;
using tests::TemporaryDirectory;
using tests::tiny_settings;

// Eight steps, a row of metrics after every third, a checkpoint after every second.
Settings settings_in(const fs::path& out) {
  Settings settings = tiny_settings();
  settings.model.hidden_dropout_prob = 0.1;
  settings.data.workers = 2;
  settings.data.prefetch = 3;
  settings.train.out = out;
  settings.train.log_every = 3;
  settings.train.evaluate_every = 4;
  settings.train.checkpoint_every = 2;
  return settings;
}

std::string train_log(const Settings& settings, bool fresh = false) {
  std::ostringstream log;
  TrainOptions options;
  options.log = &log;
  options.fresh = fresh;
  train(settings, options);
  return log.str();
}

std::string train_error(const Settings& settings, bool fresh = false) {
  return error_of([&] { train_log(settings, fresh); });
}

// A log that ends the program's run, as a kill would, when a line with `word` is written.
class Interruption : public std::stringbuf {
 public:
  explicit Interruption(std::string word) : word_(std::move(word)) {}
  int sync() override {
    if (str().find(word_) != std::string::npos) throw Error("interrupted");
    return std::stringbuf::sync();
  }

 private:
  std::string word_;
};

void train_until(const Settings& settings, const std::string& word) {
  Interruption buffer(word);
  std::ostream log(&buffer);
  log.exceptions(std::ios::badbit);
  TrainOptions options;
  options.log = &log;
  CHECK(error_of([&] { train(settings, options); }) == "interrupted");
}

std::string contents(const fs::path& path) {
  const auto bytes = read_file(path);
  return {bytes.begin(), bytes.end()};
}

// The rows without what depends on the clock.
std::vector<json> rows(const fs::path& run) {
  std::vector<json> out;
  std::istringstream in(contents(run / "metrics.jsonl"));
  for (std::string line; std::getline(in, line);) {
    json row = json::parse(line);
    for (const char* key : {"seconds", "samples_per_second", "data_wait_share"}) row.erase(key);
    out.push_back(row);
  }
  return out;
}

json summary_without_time(const fs::path& run) {
  json summary = json::parse(contents(run / "summary.json"));
  summary.erase("train_seconds");
  return summary;
}

bool same_bits(const fs::path& a, const fs::path& b) {
  bool same = true;
  for (const char* file : {"model.safetensors", "optimizer.safetensors"}) {
    const SafeTensors x = load_safetensors((a / file).string()), y = load_safetensors((b / file).string());
    same = same && x.tensors.size() == y.tensors.size();
    for (const auto& [name, tensor] : x.tensors)
      if (tensor.dtype() == DType::f32)
        same = same && tensor.to_vector<float>() == y.tensors.at(name).to_vector<float>();
  }
  return same;
}

// One finished run for the tests that only look.
struct FinishedRun {
  TemporaryDirectory directory;
  Settings settings = settings_in(directory.path() / "run");
  std::string log = train_log(settings);
  fs::path run() const { return settings.train.out; }
};
const FinishedRun& finished_run() {
  static const FinishedRun run;
  return run;
}

void copy_run(const fs::path& to) { fs::copy(finished_run().run(), to, fs::copy_options::recursive); }

}  // namespace

TEST_CASE("A run leaves settings, metrics, one checkpoint and a summary with every key") {
  const FinishedRun& finished = finished_run();
  CHECK(contents(finished.run() / "settings.toml") == finished.settings.to_toml());
  CHECK(newest_checkpoint(finished.run())->filename() == "checkpoint-8");
  std::vector<int64_t> logged, evaluated;
  for (const json& row : rows(finished.run())) (row.contains("evaluation") ? evaluated : logged).push_back(row["step"]);
  CHECK(logged == std::vector<int64_t>{3, 6, 8});
  CHECK(evaluated == std::vector<int64_t>{4, 8});
  for (const json& row : rows(finished.run())) {
    if (row.contains("evaluation")) {
      CHECK(row["evaluation"]["samples"] == 4);
      CHECK(row["evaluation"]["pointing_plan"].is_null());
      continue;
    }
    for (const char* key :
         {"loss", "mlm_loss", "itm_loss", "wpa_loss", "grad_norm", "mlm_accuracy", "itm_accuracy", "learning_rate"})
      CHECK(row[key].is_number());
  }
  const json summary = json::parse(contents(finished.run() / "summary.json"));
  CHECK(summary["steps"] == 8);
  CHECK(summary["parameters"].get<int64_t>() > 10000);
  CHECK(summary["train_seconds"].get<double>() > 0);
  for (const char* block : {"test", "test_unseen", "untrained", "shuffled_caption"})
    for (const char* key : {"itm_accuracy_random", "itm_accuracy_hard", "itm_accuracy_hard_by_kind",
                            "mlm_accuracy_content", "mlm_accuracy_wrong_image", "pointing_attention",
                            "pointing_own_over_other", "pointing_plan", "pointing_plan_training", "pointing_chance"}) {
      CAPTURE(block);
      CAPTURE(key);
      REQUIRE(summary[block].contains(key));
      const bool pointing = std::string(key).starts_with("pointing");
      if (std::string(block) == "shuffled_caption" && !pointing) CHECK(summary[block][key].is_null());
      if (std::string(block) == "test" || (std::string(block) == "shuffled_caption" && pointing))
        CHECK_FALSE(summary[block][key].is_null());
    }
  CHECK(summary["test"]["samples"] == 40);
  CHECK(summary["test_unseen"]["samples"] == 4);
}

TEST_CASE("The log says what is trained, on what, and how far it is") {
  CHECK(lacking(finished_run().log,
                {"learning_rate = ", "loss = 1 · mlm (mean over masked tokens) + 1 · itm (mean over pairs) + 0.1 · wpa",
                 "40 captions of 40 images; vocabulary of ", "image cache up to 1024 MiB", "step      4",
                 "4 of val: matching random ", "trained 8 steps in ", "% of it waiting for data", "0 images left out",
                 "evaluating on 40 captions of split test"}) == "");
}

TEST_CASE("A run that is stopped and continued ends with the same bits, metrics and figures as one that was not") {
  const FinishedRun& whole = finished_run();
  const TemporaryDirectory directory;
  Settings settings = settings_in(directory.path() / "run");
  train_until(settings, "step      4");  // the checkpoint is that of step 2, a row of metrics that of step 3
  CHECK(newest_checkpoint(settings.train.out)->filename() == "checkpoint-2");
  std::ofstream(fs::path(settings.train.out) / "metrics.jsonl", std::ios::app) << "{\"step\":9,\"lo";  // a line cut off
  fs::create_directories(fs::path(settings.train.out) / "partial-checkpoint-4");
  // What no result depends on may be changed on the way.
  settings.data.workers = 1;
  settings.data.prefetch = 1;
  settings.data.cache_bytes = 0;
  settings.train.threads = 2;
  settings.train.title = "Another title";
  const std::string log = train_log(settings);
  CHECK(lacking(log, {"continuing from step 2 of 8"}) == "");
  CHECK(same_bits(*newest_checkpoint(whole.run()), *newest_checkpoint(settings.train.out)));
  CHECK(rows(settings.train.out) == rows(whole.run()));
  CHECK(summary_without_time(settings.train.out) == summary_without_time(whole.run()));
  CHECK_FALSE(fs::exists(fs::path(settings.train.out) / "partial-checkpoint-4"));
}

TEST_CASE("A run that is stopped in its last evaluation only evaluates again") {
  const FinishedRun& whole = finished_run();
  const TemporaryDirectory directory;
  const Settings settings = settings_in(directory.path() / "run");
  train_until(settings, "evaluating on");
  CHECK_FALSE(fs::exists(fs::path(settings.train.out) / "summary.json"));
  const std::string log = train_log(settings);
  CHECK(lacking(log, {"continuing from step 8 of 8"}) == "");
  CHECK(log.find("trained 8 steps") == std::string::npos);
  CHECK(summary_without_time(settings.train.out) == summary_without_time(whole.run()));
  CHECK(rows(settings.train.out) == rows(whole.run()));
}

TEST_CASE("A finished run says so and trains nothing; fresh starts over") {
  const TemporaryDirectory directory;
  const fs::path run = directory.path() / "run";
  copy_run(run);
  Settings settings = settings_in(run);
  // The copy's settings name the place that it was copied from.
  std::ofstream(run / "settings.toml") << settings.to_toml();
  const auto written = fs::last_write_time(run / "summary.json");
  CHECK(train_log(settings) == "the run in " + run.string() + " is finished; --fresh starts over\n");
  CHECK(fs::last_write_time(run / "summary.json") == written);
  settings.train.steps = 2;
  settings.train.checkpoint_every = 0;
  CHECK(lacking(train_log(settings, true), {"trained 2 steps"}) == "");
  CHECK(newest_checkpoint(run)->filename() == "checkpoint-2");
  CHECK(rows(run).back()["step"] == 2);
}

TEST_CASE("Other settings are refused, all differences listed; nothing is changed") {
  const TemporaryDirectory directory;
  const fs::path run = directory.path() / "run";
  copy_run(run);
  Settings settings = settings_in(run);
  std::ofstream(run / "settings.toml") << settings.to_toml();
  const std::string before = contents(run / "settings.toml");
  settings.train.steps = 7;
  settings.optimizer.learning_rate = 1e-3;
  settings.train.log_every = 1;
  settings.train.title = "free";
  const std::string message = train_error(settings);
  CHECK(lacking(message,
                {run.string().c_str(),
                 ": holds a run with other settings; use --fresh to start over or train.out=FOLDER for another place",
                 "\n  now     [train] steps = 7", "\n  before  [train] steps = 8",
                 "\n  now     [optimizer] learning_rate = 0.001", "\n  before  [optimizer] learning_rate = 0.002"}) ==
        "");
  CHECK(message.find("title") == std::string::npos);
  CHECK(message.find("log_every") == std::string::npos);
  CHECK(contents(run / "settings.toml") == before);
}

TEST_CASE("A run goes on wherever it lies, whatever its paths are called, with settings that change no parameter") {
  const TemporaryDirectory directory;
  copy_run(directory.path() / "moved");
  Settings settings = settings_in(directory.path() / "moved");
  std::ofstream(directory.path() / "moved" / "settings.toml") << settings.to_toml();
  settings.train.out = (directory.path() / "." / "moved" / "").string();
  settings.data.captions = fs::relative(settings.data.captions).string();
  settings.data.images += "/../images/";
  settings.data.vocabulary = vocabulary_path(settings).string();
  settings.data.max_bad_files = 77;
  settings.train.evaluate_every = 5;
  settings.train.evaluate_samples = 3;
  CHECK(train_error(settings) == "no error");
  settings.data.images = directory.path();
  CHECK(lacking(train_error(settings), {"now     [data] images = ", "before  [data] images = "}) == "");
}

TEST_CASE("A finished run goes on to more steps, and is finished again") {
  const TemporaryDirectory directory;
  copy_run(directory.path() / "run");
  Settings settings = settings_in(directory.path() / "run");
  std::ofstream(directory.path() / "run" / "settings.toml") << settings.to_toml();
  settings.train.steps = 11;
  const std::string log = train_log(settings);
  CHECK(
      lacking(log, {"continuing from step 8 of 11\nmore steps, 11 instead of 8: the learning rate is that of 11 steps",
                    "trained 11 steps"}) == "");
  CHECK(read_summary(directory.path() / "run" / "summary.json").steps == 11);
  CHECK(lacking(train_log(settings), {"is finished"}) == "");
  settings.train.steps = 12;
  remove_checkpoints(settings.train.out);
  CHECK(lacking(train_error(settings), {"the run has had its 11 steps, and there is no checkpoint to go on from"}) ==
        "");
  CHECK(fs::exists(directory.path() / "run" / "summary.json"));
}

TEST_CASE("A run that was begun before a setting existed had its default") {
  const TemporaryDirectory directory;
  const fs::path run = directory.path() / "run";
  copy_run(run);
  Settings settings = settings_in(run);
  std::string toml = settings.to_toml();
  const size_t line = toml.find("augment = ");
  REQUIRE(line != std::string::npos);
  toml.erase(line, toml.find('\n', line) + 1 - line);
  std::ofstream(run / "settings.toml") << toml;
  CHECK(train_error(settings) == "no error");
  settings.image.augment = "randaugment";
  CHECK(lacking(train_error(settings),
                {"\n  now     [image] augment = ", "randaugment", "\n  before  [image] augment = ", "none"}) == "");
}

TEST_CASE("A run that cannot begin leaves nothing behind, and takes nothing away") {
  const TemporaryDirectory directory;
  const fs::path run = directory.path() / "run";
  const auto fails = [&](const std::function<void(Settings&)>& change, std::initializer_list<const char*> parts) {
    Settings settings = settings_in(run);
    change(settings);
    CHECK(lacking(train_error(settings, true), parts) == "");
  };
  const auto all = [&] {
    fails([](Settings& s) { s.train.task = "answering"; },
          {"setting 'train.task' is 'answering', expected one of: pretraining"});
    fails([](Settings& s) { s.data.captions = "/nowhere/set.json"; },
          {"/nowhere/set.json: no such file (setting 'data.captions')"});
    fails([](Settings& s) { s.data.vocabulary = "/nowhere/vocab.txt"; },
          {"/nowhere/vocab.txt: no vocabulary there; `vilt vocab` makes one from the captions"});
    fails([](Settings& s) { s.data.images = "/nowhere"; }, {"/nowhere"});
    fails([](Settings& s) { s.data.annotations = "/nowhere/a.jsonl"; }, {"/nowhere/a.jsonl"});
    fails([](Settings& s) { s.data.train_split = "training"; }, {"no image has the split 'training'"});
    fails([](Settings& s) { s.data.validation_split = "dev"; }, {"no image has the split 'dev'"});
    fails([](Settings& s) { s.data.test_split = "eval"; }, {"no image has the split 'eval'"});
    fails([](Settings& s) { s.data.unseen_split = "new"; }, {"no image has the split 'new'"});
    fails([](Settings& s) { s.data.unseen_group = "new"; },
          {"data: no sentence of the split 'test_unseen' is in the group 'new' (data.unseen_group)"});
    fails([](Settings& s) { s.train.curriculum = 0.5, s.train.curriculum_group = "none"; },
          {"'none' (train.curriculum_group)"});
    fails([](Settings& s) { s.model.num_attention_heads = 3; }, {"config: hidden_size 16 is not a multiple of 3"});
  };
  all();
  CHECK_FALSE(fs::exists(run));
  copy_run(run);
  all();
  CHECK(fs::exists(run / "summary.json"));
  CHECK(contents(run / "metrics.jsonl") == contents(finished_run().run() / "metrics.jsonl"));
}

TEST_CASE("Too many bad images stop the run, and it can be begun again with other settings") {
  const TemporaryDirectory directory;
  fs::copy(tests::tiny_scenes().folder(), directory.path() / "scenes", fs::copy_options::recursive);
  Settings settings = settings_in(directory.path() / "run");
  settings.data.captions = directory.path() / "scenes" / "dataset.json";
  settings.data.images = directory.path() / "scenes" / "images";
  settings.data.annotations = directory.path() / "scenes" / "annotations.jsonl";
  const Dataset dataset = Dataset::open(settings.data.captions, settings.data.images, {{"train"}, {}, true});
  for (size_t i = 0; i < 5; ++i) std::ofstream(dataset.images()[i].path()) << "no picture";
  settings.data.max_bad_files = 1;
  settings.train.checkpoint_every = 0;
  CHECK(lacking(train_error(settings),
                {"data: 2 images cannot be used, more than data.max_bad_files (1); the last: ", ".jpg"}) == "");
  settings.data.max_bad_files = 10;
  const std::string log = train_log(settings);
  CHECK(lacking(log, {"trained 8 steps", " images left out"}) == "");
  CHECK(log.find(" 0 images left out") == std::string::npos);
}

TEST_CASE("A checkpoint whose files are of different steps is refused") {
  const TemporaryDirectory directory;
  Settings settings = settings_in(directory.path() / "run");
  train_until(settings, "step      4");
  const fs::path state = *newest_checkpoint(settings.train.out) / "state.json";
  std::string json_text = contents(state);
  json_text.replace(json_text.find("\"step\": 2"), 9, "\"step\": 1");
  std::ofstream(state) << json_text;
  CHECK(lacking(train_error(settings), {"checkpoint-2: state.json is of step 1, optimizer.safetensors of 2"}) == "");
}

TEST_CASE("A run is not continued with another vocabulary of the same size") {
  const TemporaryDirectory directory;
  Settings settings = settings_in(directory.path() / "run");
  settings.data.vocabulary = directory.path() / "vocab.txt";
  std::vector<std::string> tokens = tests::tiny_scenes().vocabulary().tokens();
  write_vocabulary(settings.data.vocabulary, tokens);
  train_until(settings, "step      4");
  std::swap(tokens[tokens.size() - 1], tokens[tokens.size() - 2]);
  write_vocabulary(settings.data.vocabulary, tokens);
  CHECK(
      lacking(train_error(settings), {"checkpoint-2: was trained with another vocabulary; use --fresh to start over or "
                                      "train.out=FOLDER for another place"}) == "");
}

TEST_CASE("The report is made at the end, from the trained and the untrained model") {
  const TemporaryDirectory directory;
  Settings settings = settings_in(directory.path() / "run");
  settings.train.steps = 2;
  std::ostringstream log;
  TrainOptions options;
  options.log = &log;
  int calls = 0;
  options.report = [&](const Settings& given, const Summary& summary, const ViltWithHeads& trained,
                       const ViltWithHeads& untrained, const SampleSource& test) {
    ++calls;
    CHECK(given.train.steps == 2);
    CHECK(summary.blocks.contains("untrained"));
    CHECK(trained.vilt.pooler.weight.value().to_vector<float>() !=
          untrained.vilt.pooler.weight.value().to_vector<float>());
    CHECK(test.dataset().sentences().size() == 40);
    CHECK_FALSE(fs::exists(directory.path() / "run" / "summary.json"));
  };
  train(settings, options);
  CHECK(calls == 1);
  CHECK(fs::exists(directory.path() / "run" / "summary.json"));
}

}  // namespace tessera::trainer_test
