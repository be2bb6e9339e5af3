// Runs that were stopped or finished and go on.
#include "tests/vilt/tasks/short_run.h"

namespace tessera::continued_run_test {

using namespace short_run;

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
  settings.train.out = (directory.path() / "." / "moved" / "").string();
  settings.data.captions = fs::relative(settings.data.captions).string();
  settings.data.images += "/../images/";
  settings.data.vocabulary = vocabulary_path(settings.data).string();
  settings.data.max_bad_files = 77;
  settings.train.evaluate_every = 5;
  settings.train.evaluate_samples = 3;
  CHECK(train_error(settings) == "no error");
  settings.data.images = directory.path();
  CHECK(lacking(train_error(settings), {"now     [data] images = ", "before  [data] images = "}) == "");
}

TEST_CASE("Data that have changed are an error that says in what, or a note") {
  const TemporaryDirectory directory;
  Settings settings = settings_in(directory.path() / "run");
  settings.data.vocabulary = vocabulary_path(settings.data).string();
  settings.data.captions = directory.path() / "set.json";
  settings.data.annotations.clear();
  settings.objectives.content_first = settings.objectives.sibling_negatives = 0;
  fs::copy(tests::tiny_scenes().folder() / "dataset.json", settings.data.captions);
  train_until(settings, "step      4");
  std::string json_text = contents(settings.data.captions);
  json_text.insert(json_text.find("\"raw\": \"") + 8, "now ");
  std::ofstream(settings.data.captions) << json_text;
  CHECK(lacking(train_error(settings),
                {"checkpoint-2: the run was trained on other data, which differ in caption texts (", ", now ",
                 "; train.changed_data=continue goes on"}) == "");
  CHECK(newest_checkpoint(settings.train.out)->filename() == "checkpoint-2");
  settings.train.changed_data = "continue";
  CHECK(lacking(train_log(settings), {"note: the data differ from those before in caption texts (",
                                      "continuing from step 2 of 8", "trained 8 steps"}) == "");
}

TEST_CASE("A finished run goes on to more steps, and is finished again") {
  const TemporaryDirectory directory;
  copy_run(directory.path() / "run");
  Settings settings = settings_in(directory.path() / "run");
  settings.train.steps = 11;
  const std::string log = train_log(settings);
  CHECK(
      lacking(log, {"continuing from step 8 of 11\nmore steps, 11 instead of 8: the learning rate is that of 11 steps",
                    "trained 11 steps"}) == "");
  CHECK(read_summary(directory.path() / "run" / "summary.json").steps == 11);
  CHECK(lacking(train_log(settings), {"is finished"}) == "");
  settings.train.steps = 12;
  settings.train.extend = "constant";  // torch's last rate is 0
  CHECK(lacking(train_error(settings), {"the learning rate after step 11 is 0, and would stay so"}) == "");
  settings.train.steps = 11;
  CHECK(lacking(train_log(settings), {"is finished"}) == "");  // nothing is lost
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

}  // namespace tessera::continued_run_test
