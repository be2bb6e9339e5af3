// The training loop: any task, from its first or last step to the wanted one, with metrics, evaluations and checkpoints
// in the run's directory:
//
//   metrics.jsonl          one object for each logged step and each evaluation
//   events.out.tfevents.…  the same for TensorBoard, with pictures (train/tensorboard_file.h)
//   checkpoint-STEP/       the newest (train/checkpoint.h)
//
// A run that was stopped continues from its checkpoint, bit for bit as if it had not been. While a SignalGuard
// (train/interruption.h) lives, SIGINT and SIGTERM end it after the step with a checkpoint.
#pragma once

#include <chrono>
#include <filesystem>
#include <iosfwd>
#include <map>
#include <optional>
#include <string>

#include "data/loader.h"
#include "train/checkpoint.h"
#include "train/interruption.h"
#include "train/metrics_file.h"
#include "train/progress_line.h"
#include "train/task.h"
#include "train/tensorboard_file.h"

namespace tessera {

// What becomes of the schedule when a run gets more steps: it is that of so many steps from there on, or the rate stays
// what it was.
enum class Extend { rescale, constant };

struct RunOptions {
  std::filesystem::path out;                                         // the run's directory, which exists
  int64_t steps = 0;                                                 // in all
  int64_t log_every = 20, evaluate_every = 0, checkpoint_every = 0;  // steps; the last two 0: only at the end
  Extend extend = Extend::rescale;                                   // more steps than the checkpoint was to have
  int64_t samples = 1;                                               // of a step, for samples per second ...
  std::string unit = "samples";                                      // ... and what they are called
  int workers = 1;                                                   // threads that make batches ahead
  int64_t prefetch = 8;                                              // steps
  std::map<std::string, std::string> data;                           // by what it is known again, kept in checkpoints
  bool data_may_change = false;                                      // between the parts of a run
  bool tensorboard = true;                                           // a file of events, too
  uint64_t seed = 0;                                                 // kept in checkpoints
  std::string settings;                                              // TOML, kept in checkpoints
  std::ostream* log = nullptr;                                       // nullptr: std::cout
};

// What of the loop does not depend on the task.
class RunLog {
 public:
  RunLog(UpdateRule& rule, RunOptions options);
  double train_seconds() const { return train_seconds_; }
  const ProgressLine& progress() const { return progress_; }

 protected:
  using Clock = std::chrono::steady_clock;
  static double seconds_since(Clock::time_point start);

  bool finished() const { return rule_.updates() >= options_.steps; }
  bool due(int64_t every) const;  // after the step that was made last
  bool reading_due() const;       // a GPU's figures are needed
  bool resume(const std::function<std::function<void()>(const std::filesystem::path&)>& open_model);
  void begin();
  void extend(const TrainingState& state);
  void check_data(const TrainingState& state, const std::filesystem::path& checkpoint) const;
  // A step took so long from `start`, `wait` seconds of it for its data, `host` until the GPU had its work.
  void add_time(Clock::time_point start, double wait, double host);
  void log_interval();
  void log_evaluation(const Evaluated& evaluated);
  void checkpoint(const std::function<void(const std::filesystem::path&)>& save_model);
  void end(const std::string& remarks);
  [[noreturn]] void interrupt();

  UpdateRule& rule_;
  RunOptions options_;
  std::ostream& log_;
  Interval interval_;
  ProgressLine progress_;

 private:
  double wait_share() const;

  void write_row(const std::string& row);

  std::optional<MetricsFile> metrics_;
  std::optional<TensorboardFile> tensorboard_;
  double train_seconds_ = 0, seconds_before_ = 0, waited_ = 0, host_seconds_ = 0;
  int64_t first_step_ = 0;
};

template <Task T>
class Run : public RunLog {
 public:
  // Task and learner must outlive the run.
  Run(T& task, Learner<T>& learner, RunOptions options)
      : RunLog(learner, std::move(options)), task_(task), learner_(learner) {}

  // True if there was a checkpoint to continue from. Its schedule counts; with more steps than it was to have, it is
  // continued as `extend` says. An error that says in what the data differ, unless they may.
  bool resume() {
    return RunLog::resume([this](const std::filesystem::path& folder) { return task_.open(folder); });
  }

  // Trains until options.steps. Throws Interrupted when a signal ended it before.
  void train() {
    if (finished()) return;
    begin();
    Loader<typename T::Batch> loader([this](int64_t step) { return task_.step(step); }, learner_.updates(),
                                     options_.steps, options_.workers, options_.prefetch);
    double waited = 0;
    while (!finished()) {
      const auto start = Clock::now();
      const Figures figures = learner_.update(loader.next());
      const double wait = loader.wait_seconds() - waited, host = seconds_since(start) - wait;
      waited = loader.wait_seconds();
      interval_.add(figures, 0, wait);
      if (reading_due()) read_figures();
      add_time(start, wait, host);
      if (due(options_.log_every)) log_interval();
      if (due(options_.evaluate_every)) log_evaluation(task_.evaluate());
      const bool asked_to_end = kept_signal() != 0;
      if (asked_to_end && !reading_due()) read_figures();
      if (asked_to_end || due(options_.checkpoint_every))
        checkpoint([this](const std::filesystem::path& folder) { task_.save(folder); });
      if (asked_to_end) interrupt();
    }
    end(task_.remarks());
  }

 private:
  // What a GPU keeps of the figures since the last reading. A step that failed there is made once more to be explained.
  void read_figures() {
    const auto failed = learner_.read_figures(interval_.sum);
    if (failed) learner_.explain_non_finite(task_.step(failed->step - 1), *failed);
  }

  T& task_;
  Learner<T>& learner_;
};

}  // namespace tessera
