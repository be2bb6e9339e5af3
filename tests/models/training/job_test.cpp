// What every system's training has from models/training: settings, data, resume, figures.
#include "models/training/job.h"

#include <doctest/doctest.h>

#include <sstream>

#include "tests/error_text.h"
#include "tests/models/training/toy_system.h"
#include "tests/tiny_scenes.h"

namespace tessera::job_test {
namespace {

using tests::error_of;
using tests::lacking;
using tests::TemporaryDirectory;
using tests::tiny_scenes;
using tests::ToySystem;
using Job = SystemJob<ToySystem>;
namespace fs = std::filesystem;

std::string toml_of(const fs::path& out) {
  const fs::path data = tiny_scenes().folder();
  return text("[system]\nkind = \"toy\"\n[data]\ncaptions = \"", (data / "dataset.json").string(), "\"\nimages = \"",
              (data / "images").string(), "\"\nannotations = \"", (data / "annotations.jsonl").string(),
              "\"\nunseen_split = \"test_unseen\"\n[image]\nresize = \"none\"\n[train]\nsteps = 8\nbatch_size = 4\n",
              "log_every = 3\nevaluate_every = 4\ncheckpoint_every = 2\ntensorboard = false\nout = \"", out.string(),
              "\"\n");
}

struct Trained {
  TaskSummary summary;
  std::string log;
};

Trained trained(const fs::path& out, const std::vector<std::string>& overrides = {}) {
  std::ostringstream log;
  TrainingOptions options;
  options.log = &log;
  Job job(Job::Settings::from_text(toml_of(out), "toy.toml", overrides), options);
  const TaskSummary summary = Training<Job>(job, options).go();
  return {summary, log.str()};
}

std::vector<uint8_t> weights(const fs::path& out) { return read_file(*newest_checkpoint(out) / "toy.safetensors"); }

double figure(const NamedFigures& figures, const std::string& name) {
  for (const auto& [key, value] : figures)
    if (key == name) return value;
  FAIL("there is no figure " << name);
  return 0;
}

}  // namespace

TEST_CASE("system job: a run from settings to summary") {
  const TemporaryDirectory folder;
  const Trained run = trained(folder.path() / "run");
  CHECK(run.summary.task == "toy");
  CHECK(run.summary.steps == 8);
  for (const char* block : {"test", "test_unseen", "untrained"}) CHECK(run.summary.figures.contains(block));
  const NamedFigures& test = run.summary.figures.at("test");
  CHECK(figure(test, "captions") == tests::TinyScenes::kTest);
  CHECK(figure(test, "images") == tests::TinyScenes::kTest);
  CHECK(figure(test, "text R@1") <= figure(test, "text R@1 attainable"));
  CHECK(figure(test, "matching random (ranked)") >= 0);
  // Brightness says nothing of who stands where, but something of a colour: what the figure is does not matter here.
  CHECK(figure(test, "matching sibling/colour (ranked)") <= 1);
  // Untrained all words are equal, so that only the pictures' own brightness counts: as often right as wrong.
  CHECK(figure(run.summary.figures.at("untrained"), "matching random (ranked)") == doctest::Approx(0.5).epsilon(0.5));
  CHECK(lacking(run.log,
                {"loss = brightness", "40 captions of 40 images", "begins with zeros", "val: matching random"}) == "");
  // The finished run is read, not trained again.
  const Trained again = trained(folder.path() / "run");
  CHECK(again.log.find("is finished") != std::string::npos);
  CHECK(summary_json(again.summary) == summary_json(run.summary));
}

TEST_CASE("system job: a run that gets more steps ends where the whole one does") {
  const TemporaryDirectory folder;
  trained(folder.path() / "whole", {"optimizer.end_learning_rate=0.01", "optimizer.warmup=0"});
  trained(folder.path() / "parts", {"optimizer.end_learning_rate=0.01", "optimizer.warmup=0", "train.steps=5"});
  trained(folder.path() / "parts", {"optimizer.end_learning_rate=0.01", "optimizer.warmup=0"});
  CHECK(weights(folder.path() / "parts") == weights(folder.path() / "whole"));
}

TEST_CASE("system job: settings") {
  const TemporaryDirectory folder;
  const std::string toml = toml_of(folder.path());
  const auto settings = Job::Settings::from_text(toml, "toy.toml", {"model.scale=2"});
  CHECK(settings.options.scale == 2);
  CHECK(settings.optimizer.learning_rate == 0.01);  // the system's own default
  CHECK(Job::Settings::from_text(settings.to_toml(), "written").to_toml() == settings.to_toml());
  const auto error = [&](const std::string& override_) {
    return error_of([&] { Job::Settings::from_text(toml, "toy.toml", {override_}); });
  };
  CHECK(lacking(error("model.scale=0"), {"model.scale", "more than 0"}) == "");
  CHECK(lacking(error("train.task=vqa"), {"unknown setting 'train.task'"}) == "");
  CHECK(lacking(error("image.max_patches=1"), {"unknown setting 'image.max_patches'"}) == "");
  CHECK(lacking(error("train.curriculum=0.5"), {"train.curriculum_group"}) == "");
  CHECK(lacking(error("data.captions=shards-{0..3}.tar"), {"tar shards", "toy"}) == "");
  CHECK(lacking(error_of([&] {
                  trained(folder.path() / "run", {"train.curriculum=0.5", "train.curriculum_group=none"});
                }),
                {"no caption", "'none'"}) == "");
}

TEST_CASE("system job: a step of more than all captions is noted, a vocabulary that is not there named") {
  const TemporaryDirectory folder;
  CHECK(lacking(trained(folder.path() / "run", {"train.batch_size=64", "train.steps=1"}).log,
                {"note: a batch of 64", "40 captions"}) == "");
  CHECK(lacking(error_of([&] { trained(folder.path() / "other", {"data.vocabulary=none.txt"}); }),
                {"none.txt: no such file (setting 'data.vocabulary')", "vilt vocab"}) == "");
}

TEST_CASE("system job: another run in the folder is not written over") {
  const TemporaryDirectory folder;
  trained(folder.path() / "run");
  CHECK(lacking(error_of([&] { trained(folder.path() / "run", {"model.scale=3"}); }),
                {"other settings", "scale = 3.0", "scale = 1.0"}) == "");
  const fs::path settings = folder.path() / "run" / "settings.toml";
  write_file_atomically(settings, "[system]\nkind = \"clip\"\n[model]\ntext_size = 64\n");
  CHECK(lacking(error_of([&] { trained(folder.path() / "run"); }),
                {"run: holds a run of the system 'clip', not of 'toy'", "--fresh"}) == "");
  write_file_atomically(settings, "[model]\nhidden_size = 64\n");
  CHECK(lacking(error_of([&] { trained(folder.path() / "run"); }), {"of the system 'vilt', not of 'toy'"}) == "");
}

}  // namespace tessera::job_test
