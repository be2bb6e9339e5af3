// Folders as trainings leave them, with invented figures.
#pragma once

#include <functional>
#include <map>
#include <string>

#include <nlohmann/json.hpp>

#include "tests/temporary_directory.h"
#include "vilt/tasks/settings.h"
#include "vilt/tasks/summary.h"

namespace tessera::tests {

struct InventedRun {
  std::string name;
  std::string task = "pretraining";
  std::function<void(Settings&)> change = {};
  std::string metrics = "{\"step\":1,\"loss\":3}\n{\"step\":2,\"evaluation\":{\"accuracy\":0.5}}\n";
  std::map<std::string, std::string> data = {{"captions", "40"}, {"caption texts", "0123456789abcdef"}};
  int64_t checkpoint = 100;                         // its step; -1: none
  std::map<std::string, NamedFigures> final_ = {};  // blocks; none: the run is unfinished
};

// Of a run that was written to `directory`/name.
inline std::filesystem::path write_run(const TemporaryDirectory& directory, const InventedRun& run) {
  Settings settings = Settings::defaults_of(run.task);
  settings.train.task = run.task;
  settings.train.steps = 100;
  settings.train.epochs = 0;
  settings.data.captions = "captions.json";
  settings.data.images = "images";
  settings.train.out = "somewhere/" + run.name;
  if (run.change) run.change(settings);
  directory.write(run.name + "/settings.toml", settings.to_toml());
  if (!run.metrics.empty()) directory.write(run.name + "/metrics.jsonl", run.metrics);
  if (run.checkpoint >= 0) {
    const nlohmann::json state = {
        {"step", run.checkpoint},
        {"seed", settings.train.seed},
        {"train_seconds", 1.5},
        {"data", run.data},
        {"settings", ""},
        {"schedule", {{"peak", 1}, {"warmup", 0}, {"total", 100}, {"power", 1}, {"end", 0}}},
        {"since_logged", {{"steps", 0}, {"seconds", 0}, {"data_wait", 0}, {"loss", 0}, {"grad_norm", 0}}}};
    directory.write(run.name + "/checkpoint-" + std::to_string(run.checkpoint) + "/state.json", state.dump());
  }
  if (!run.final_.empty()) {
    Summary summary;
    summary.task = run.task;
    summary.figures = run.final_;
    summary.steps = settings.train.steps;
    summary.parameters = 1234;
    summary.train_seconds = 75;
    directory.write(run.name + "/summary.json", summary_json(summary));
  }
  return directory.path() / run.name;
}

}  // namespace tessera::tests
