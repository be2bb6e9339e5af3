// What every training does around the loop: from the settings to the summary. Internal to vilt/tasks/.
//
// A Job is what a task does there: any type with these functions.
//   Task                     of the loop (train/task.h), with beginnings(), context() and parameters()
//   described()              what is optimised, in a line
//   prepare(checkpoint, initial)   opens what settings follow from, and completes them: vocabulary, sizes, steps
//   open()                   opens the data that prepare() has not; everything that the settings name has to be there
//   task(initial, quarantine)
//   samples(), notes()       what is trained on, and what its user should know
//   fingerprint()            by what the data are known again
//   vocabulary()
//   finish(task, facts)      evaluates and reports
#pragma once

#include <filesystem>
#include <iostream>
#include <optional>
#include <utility>

#include "data/shards/sources.h"
#include "io/files.h"
#include "io/printable.h"
#include "io/words.h"
#include "nn/precision.h"
#include "tensor/device.h"
#include "tensor/parallel.h"
#include "train/checkpoint.h"
#include "train/interruption.h"
#include "train/run.h"
#include "vilt/tasks/initial_weights.h"
#include "vilt/tasks/pretraining.h"
#include "vilt/tasks/same_settings.h"
#include "vilt/tasks/trainer.h"

namespace tessera {

RunOptions run_options(const Settings& settings, std::ostream& log);
void remove_earlier_run(const std::filesystem::path& out);
// Whether the finished run in `out` is to have more steps.
bool gets_more_steps(const std::filesystem::path& out, int64_t steps);

template <class Job>
class Training {
 public:
  Training(Settings settings, const TrainOptions& options)
      : settings_(std::move(settings)),
        options_(options),
        log_(options.log ? *options.log : std::cout),
        out_(settings_.train.out),
        job_(settings_, options, log_) {}

  Summary go() {
    namespace fs = std::filesystem;
    if (settings_.train.threads > 0) set_thread_count(static_cast<int>(settings_.train.threads));
    check(!settings_.data.sets.empty() || fs::exists(settings_.data.captions) ||
              are_shards(settings_.data.captions, settings_.data.kind),
          shown(settings_.data.captions), ": no such file (setting 'data.captions')");
    const auto checkpoint = options_.fresh ? std::nullopt : newest_checkpoint(out_);
    if (!checkpoint)
      initial_ = read_initial_weights(settings_, [&](const std::string& line) { log_ << "weights: " << line << "\n"; });
    settings_ = with_initial_sizes(std::move(settings_), checkpoint.value_or(fs::path()), initial_.get());
    job_.prepare(checkpoint, initial_.get());
    settings_.model.validate();
    const std::string toml = settings_.to_toml();
    // Without a checkpoint there is nothing to lose: the first try may have stopped at a wrong setting.
    const bool begun = checkpoint || (!options_.fresh && fs::exists(out_ / "summary.json"));
    if (begun && fs::exists(out_ / "settings.toml")) check_same_settings(out_ / "settings.toml", settings_);
    if (begun && fs::exists(out_ / "summary.json") && !gets_more_steps(out_, settings_.train.steps)) {
      log_ << "the run in " << shown(out_) << " is finished; --fresh starts over\n";
      return read_summary(out_ / "summary.json");
    }
    log_ << toml << "\n" << job_.described() << "\n";
    job_.open();
    return train();
  }

 private:
  using Task = typename Job::Task;
  using Clock = std::chrono::steady_clock;

  Summary train() {
    const ProgressLine* line = nullptr;  // that a message must not be written over
    Quarantine quarantine(settings_.data.max_bad_files, [&line](const std::string& reason) {
      if (line) line->clear();
      std::cerr << "left out: " + reason + "\n" << std::flush;
    });
    Task task = job_.task(initial_.get(), quarantine);
    const std::string otherwise =
        initial_ ? prepared_otherwise(initial_->preprocessing, sample_options(settings_)) : std::string();
    initial_.reset();
    Learner<Task> learner(task, learner_options(settings_));
    say_what_is_trained(task);
    if (!otherwise.empty()) log_ << "note: " << otherwise << std::endl;
    // Nothing is written or removed before everything that the settings name has been found: a run that fails above can
    // be repeated with the mistake corrected.
    if (options_.fresh) remove_earlier_run(out_);
    std::filesystem::create_directories(out_);
    RunOptions options = run_options(settings_, log_);
    const ProgressLine looking;
    looking.show("looking at the sizes of the pictures' files …");
    options.data = job_.fingerprint();
    looking.clear();
    Run run(task, learner, std::move(options));
    line = &run.progress();
    run.resume();
    // A finished run that gets more steps is not finished from here on.
    for (const char* name : {"summary.json", "report.html"}) std::filesystem::remove(out_ / name);
    write_file_atomically(out_ / "settings.toml", settings_.to_toml());
    {
      std::optional<SignalGuard> guard;
      if (options_.keep_signals) guard.emplace();
      run.train();
    }
    const auto start = Clock::now();
    const Summary summary = job_.finish(task, {run.train_seconds(), settings_.train.steps, task.parameters().total()});
    write_file_atomically(out_ / "summary.json", summary_json(summary), Durability::power);
    log_ << "evaluation and report took " << fixed_text(std::chrono::duration<double>(Clock::now() - start).count(), 1)
         << " s" << std::endl;
    return summary;
  }

  void say_what_is_trained(Task& task) {
    log_ << job_.samples() << "; vocabulary of " << job_.vocabulary().size() << "; " << task.parameters().total()
         << " parameters; image cache up to " << (settings_.data.cache_bytes >> 20) << " MiB; " << thread_count()
         << " threads\ndevice: " << device_description(task.parameters().device()).name
         << "\nprecision: " << describe_precision(task.context().activations, task.parameters().device()) << std::endl;
    for (const std::string& beginning : task.beginnings()) log_ << beginning << std::endl;
    for (const std::string& note : job_.notes()) log_ << "note: " << note << std::endl;
  }

  Settings settings_;
  const TrainOptions& options_;
  std::ostream& log_;
  std::filesystem::path out_;
  Job job_;
  std::unique_ptr<LoadedModel> initial_;  // until the task has them; null without, and in a run that goes on
};

}  // namespace tessera
