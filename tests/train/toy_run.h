// The toy task through the real loop.
#pragma once

#include <nlohmann/json.hpp>
#include <sstream>

#include "io/files.h"
#include "tests/temporary_directory.h"
#include "tests/train/toy_task.h"
#include "train/checkpoint.h"

namespace tessera::tests {

struct ToyRun {
  std::filesystem::path out;
  Device device;
  int64_t steps = 12, checkpoint_every = 4;
  std::ostringstream log = {};
  Extend extend = Extend::rescale;

  LearnerOptions learner_options() const {
    LearnerOptions options;
    options.schedule = {.peak = 2e-2, .warmup = 2, .total = steps};
    options.clip = 1;
    options.seed = 5;
    return options;
  }
  // Stops by an error, as a kill would, before step `killed_before` is drawn.
  void train(int64_t killed_before = -1) {
    struct Killed : ToyTask {
      int64_t before;
      Killed(Device device, int64_t step) : ToyTask(device), before(step) {}
      std::vector<Batch> step(int64_t number) const {
        check(number != before, "killed");
        return ToyTask::step(number);
      }
    };
    Killed task(device, killed_before);
    Learner<Killed> learner(task, learner_options());
    RunOptions options;
    options.out = out;
    options.steps = steps;
    options.extend = extend;
    options.log_every = 5;
    options.evaluate_every = 6;
    options.checkpoint_every = checkpoint_every;
    options.samples = 8;
    options.log = &log;
    std::filesystem::create_directories(out);
    Run<Killed> run(task, learner, options);
    run.resume();
    run.train();
  }
  std::vector<uint8_t> file(const char* name) const { return read_file(*newest_checkpoint(out) / name); }
  // Rows of metrics.jsonl without what depends on the clock.
  std::vector<nlohmann::json> rows() const {
    const std::vector<uint8_t> bytes = read_file(out / "metrics.jsonl");
    std::istringstream in(std::string(bytes.begin(), bytes.end()));
    std::vector<nlohmann::json> rows;
    for (std::string line; std::getline(in, line);) {
      rows.push_back(nlohmann::json::parse(line));
      for (const char* key : {"seconds", "samples_per_second", "data_wait_share"}) rows.back().erase(key);
    }
    return rows;
  }
};

}  // namespace tessera::tests
