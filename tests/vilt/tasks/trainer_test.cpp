#include "tests/vilt/tasks/short_run.h"

namespace tessera::trainer_test {

using namespace short_run;

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

TEST_CASE("The evaluation at the end has a limit, which is said, and tells how far it is") {
  const TemporaryDirectory directory;
  Settings settings = settings_in(directory.path() / "run");
  settings.train.steps = 1;
  settings.train.test_samples = 7;
  CHECK(lacking(train_log(settings), {"evaluating on 7 of 40 captions of split test (train.test_samples; 0: all)"}) ==
        "");
  const Summary summary = read_summary(directory.path() / "run" / "summary.json");
  for (const char* block : {"test", "untrained", "shuffled_caption"}) CHECK(summary.blocks.at(block).samples == 7);
  CHECK(finished_run().log.find("evaluating on 40 captions of split test\n") != std::string::npos);

  const LoadedModel model = load_model(directory.path() / "run");
  const Dataset dataset = tests::tiny_scenes().open("test");
  const SampleSource source(dataset, tests::tiny_scenes().vocabulary(), sample_options(settings));
  std::map<std::string, size_t> told;
  EvaluationOptions options;
  options.limit = 7;
  options.progress = [&](const char* part, size_t done, size_t of) {
    CHECK(done <= of);
    told[part] = std::max(told[part], done);
  };
  const Evaluation evaluation = evaluate(*model.model, source, options);
  CHECK(told["matching"] == 7);
  CHECK(told["pointing"] == 7);
  CHECK(told["masked words"] == static_cast<size_t>(evaluation.content_words));
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
