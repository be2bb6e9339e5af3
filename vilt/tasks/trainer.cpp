#include "vilt/tasks/trainer.h"

#include "vilt/tasks/finetuning_job.h"
#include "vilt/tasks/pretraining_job.h"
#include "vilt/tasks/run_scores.h"
#include "vilt/tasks/training.h"

namespace tessera {
namespace {

template <class Job>
Summary train_by(Settings settings, const TrainOptions& options) {
  return Training<Job>(std::move(settings), options).go();
}

// The tasks by their names in settings.
struct TaskKind {
  const char* name;
  Summary (*train)(Settings settings, const TrainOptions& options);
};
constexpr TaskKind kTaskKinds[] = {
    {"pretraining", train_by<PretrainingJob>},
    {"vqa", train_by<FinetuningJob>},
    {"nlvr2", train_by<FinetuningJob>},
    {"retrieval", train_by<FinetuningJob>},
};

}  // namespace

RunOptions run_options(const Settings& settings, std::ostream& log) {
  RunOptions options;
  options.out = settings.train.out;
  options.steps = settings.train.steps;
  options.data_may_change = settings.train.changed_data == "continue";
  options.extend = settings.train.extend == "constant" ? Extend::constant : Extend::rescale;
  options.tensorboard = settings.train.tensorboard;
  options.log_every = settings.train.log_every;
  options.evaluate_every = settings.train.evaluate_every;
  options.checkpoint_every = settings.train.checkpoint_every;
  options.samples = settings.train.batch_size;
  options.unit = "pairs";
  options.workers = static_cast<int>(settings.data.workers);
  options.prefetch = settings.data.prefetch;
  options.seed = static_cast<uint64_t>(settings.train.seed);
  options.settings = settings.to_toml();
  options.log = &log;
  return options;
}

void remove_earlier_run(const std::filesystem::path& out) {
  // summary.json first: killed in between, the run must not pass for a finished one.
  for (const char* name : {"summary.json", "report.html", "metrics.jsonl"}) std::filesystem::remove(out / name);
  std::filesystem::remove(run_scores(out));
  if (std::filesystem::exists(out)) TensorboardFile::remove(out);
  remove_checkpoints(out);
  std::filesystem::remove(out / "settings.toml");
}

bool gets_more_steps(const std::filesystem::path& out, int64_t steps) {
  if (!std::filesystem::exists(out / "settings.toml")) return false;
  const int64_t before = Settings::from_toml(out / "settings.toml").train.steps;
  if (steps <= before) return false;
  check(newest_checkpoint(out).has_value(), shown(out), ": the run has had its ", before,
        " steps, and there is no checkpoint to go on from");
  return true;
}

Summary train(Settings settings, const TrainOptions& options) {
  std::string names;
  for (const TaskKind& kind : kTaskKinds) {
    if (settings.train.task == kind.name) return kind.train(std::move(settings), options);
    names += text(names.empty() ? "" : ", ", kind.name);
  }
  fail("setting 'train.task' is '", settings.train.task, "', expected one of: ", names);
}

}  // namespace tessera
