// What every training does around the loop (train/run.h), from settings to the summary in the run's directory:
//
//   settings.toml, metrics.jsonl (one object for each logged step), the newest checkpoint, and at the end summary.json
//
// A run that was stopped continues from its checkpoint, bit for bit as if it had not been.
//
// A Job is what a kind of training does there: any type with these members.
//   Settings                 with `data`, `train`, to_toml() and, static, from_toml(path)
//   Task                     of the loop (train/task.h), with parameters() and activations()
//   Summary
//   settings()               as they are by now
//   begin(checkpoint)        opens what settings follow from, and completes them: weights to begin with, vocabulary,
//                            sizes, steps; `checkpoint` is empty at the first start
//   described()              what is optimised, in a line
//   open()                   opens the data that begin() has not; everything that the settings name has to be there
//   task(quarantine)
//   samples(), vocabulary_size()   what is trained on
//   begun(task)              lines for the log, now that the task is made: what it begins with, "note: …"
//   fingerprint()            by what the data are known again
//   finish(task, facts)      evaluates and reports: the summary
//   json(summary), read(path)      static: the summary's file
//   own_files()              static: of a run, besides those above, which a fresh start removes
#pragma once

#include <filesystem>
#include <iostream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "data/quarantine.h"
#include "data/shards/sources.h"
#include "io/files.h"
#include "io/printable.h"
#include "io/words.h"
#include "nn/precision.h"
#include "tensor/device.h"
#include "tensor/parallel.h"
#include "train/checkpoint.h"
#include "train/evaluation/run_facts.h"
#include "train/interruption.h"
#include "train/run.h"
#include "train/settings/common_settings.h"
#include "train/settings/same_settings.h"

namespace tessera {

struct TrainingOptions {
  bool fresh = false;           // removes what an earlier run left in the directory
  bool keep_signals = false;    // SIGINT and SIGTERM end training after the step, by Interrupted (train/interruption.h)
  std::ostream* log = nullptr;  // nullptr: std::cout
};

// `settings`: the run's, as TOML.
RunOptions run_options(const TrainSettings& train, const DataSettings& data, const std::string& settings,
                       std::ostream& log);
LearnerOptions learner_options(const TrainSettings& train, const OptimizerSettings& optimizer);
void remove_earlier_run(const std::filesystem::path& out, const std::vector<std::string>& own_files);
// Whether the run in `out`, which had `before` steps, is to have more.
bool gets_more_steps(const std::filesystem::path& out, int64_t before, int64_t steps);
void check_captions_are_there(const DataSettings& data);

template <class Job>
class Training {
 public:
  using Summary = typename Job::Summary;

  // `job` and `options` must outlive this.
  Training(Job& job, const TrainingOptions& options)
      : job_(job), options_(options), log_(options.log ? *options.log : std::cout), out_(job.settings().train.out) {}

  // Trains, evaluates and writes; of a finished run reads.
  Summary go() {
    namespace fs = std::filesystem;
    const TrainSettings& train_settings = job_.settings().train;
    if (train_settings.threads > 0) set_thread_count(static_cast<int>(train_settings.threads));
    check_captions_are_there(job_.settings().data);
    const auto checkpoint = options_.fresh ? std::nullopt : newest_checkpoint(out_);
    // Without a checkpoint there is nothing to lose: the first try may have stopped at a wrong setting.
    const bool finished = !options_.fresh && fs::exists(out_ / "summary.json");
    const bool begun = (checkpoint || finished) && fs::exists(out_ / "settings.toml");
    if (begun) check_same_system(out_, job_.settings().to_toml());
    job_.begin(checkpoint);
    const std::string toml = job_.settings().to_toml();
    int64_t steps_before = train_settings.steps;
    if (begun) {
      // A setting that the stored file does not have, because the run was begun before there was such, had its default.
      auto earlier = Job::Settings::from_toml(out_ / "settings.toml");
      steps_before = earlier.train.steps;
      earlier.train.steps = std::max(steps_before, train_settings.steps);
      check_same_settings(out_, earlier.to_toml(), toml);
    }
    if (finished && !gets_more_steps(out_, steps_before, train_settings.steps)) {
      log_ << "the run in " << shown(out_) << " is finished; --fresh starts over\n";
      return Job::read(out_ / "summary.json");
    }
    log_ << toml << "\n" << job_.described() << "\n";
    job_.open();
    return train();
  }

 private:
  using Task = typename Job::Task;
  using Clock = std::chrono::steady_clock;

  Summary train() {
    const auto& settings = job_.settings();
    const ProgressLine* line = nullptr;  // that a message must not be written over
    Quarantine quarantine(settings.data.max_bad_files, [&line](const std::string& reason) {
      if (line) line->clear();
      std::cerr << "left out: " + reason + "\n" << std::flush;
    });
    Task task = job_.task(quarantine);
    Learner<Task> learner(task, learner_options(settings.train, settings.optimizer));
    say_what_is_trained(task);
    // Nothing is written or removed before everything that the settings name has been found: a run that fails above can
    // be repeated with the mistake corrected.
    if (options_.fresh) remove_earlier_run(out_, Job::own_files());
    std::filesystem::create_directories(out_);
    RunOptions options = run_options(settings.train, settings.data, settings.to_toml(), log_);
    const ProgressLine looking;
    looking.show("looking at the sizes of the pictures' files …");
    options.data = job_.fingerprint();
    looking.clear();
    Run run(task, learner, std::move(options));
    line = &run.progress();
    run.resume();
    // A finished run that gets more steps is not finished from here on.
    for (const char* name : {"summary.json", "report.html"}) std::filesystem::remove(out_ / name);
    write_file_atomically(out_ / "settings.toml", settings.to_toml());
    {
      std::optional<SignalGuard> guard;
      if (options_.keep_signals) guard.emplace();
      run.train();
    }
    const auto start = Clock::now();
    const Summary summary = job_.finish(task, {run.train_seconds(), settings.train.steps, task.parameters().total()});
    write_file_atomically(out_ / "summary.json", Job::json(summary), Durability::power);
    log_ << "evaluation and report took " << fixed_text(std::chrono::duration<double>(Clock::now() - start).count(), 1)
         << " s" << std::endl;
    return summary;
  }

  void say_what_is_trained(Task& task) {
    log_ << job_.samples() << "; vocabulary of " << job_.vocabulary_size() << "; " << task.parameters().total()
         << " parameters; image cache up to " << (job_.settings().data.cache_bytes >> 20) << " MiB; " << thread_count()
         << " threads\ndevice: " << device_description(task.parameters().device()).name
         << "\nprecision: " << describe_precision(task.activations(), task.parameters().device()) << std::endl;
    for (const std::string& remark : job_.begun(task)) log_ << remark << std::endl;
  }

  Job& job_;
  const TrainingOptions& options_;
  std::ostream& log_;
  std::filesystem::path out_;
};

}  // namespace tessera
