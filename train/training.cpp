#include "train/training.h"

namespace tessera {

RunOptions run_options(const TrainSettings& train, const DataSettings& data, const std::string& settings,
                       std::ostream& log) {
  RunOptions options;
  options.out = train.out;
  options.steps = train.steps;
  options.data_may_change = train.changed_data == "continue";
  options.extend = train.extend == "constant" ? Extend::constant : Extend::rescale;
  options.tensorboard = train.tensorboard;
  options.log_every = train.log_every;
  options.evaluate_every = train.evaluate_every;
  options.checkpoint_every = train.checkpoint_every;
  options.samples = train.batch_size;
  options.unit = "pairs";
  options.workers = static_cast<int>(data.workers);
  options.prefetch = data.prefetch;
  options.seed = static_cast<uint64_t>(train.seed);
  options.settings = settings;
  options.log = &log;
  return options;
}

LearnerOptions learner_options(const TrainSettings& train, const OptimizerSettings& optimizer) {
  LearnerOptions options;
  options.optimizer = adamw_options(optimizer);
  options.schedule = schedule_of(optimizer, train.steps);
  options.clip = optimizer.clip;
  options.seed = static_cast<uint64_t>(train.seed);
  options.graph = train.cuda_graph;
  return options;
}

void remove_earlier_run(const std::filesystem::path& out, const std::vector<std::string>& own_files) {
  // summary.json first: killed in between, the run must not pass for a finished one.
  for (const char* name : {"summary.json", "report.html", "metrics.jsonl"}) std::filesystem::remove(out / name);
  for (const std::string& name : own_files) std::filesystem::remove(out / name);
  if (std::filesystem::exists(out)) TensorboardFile::remove(out);
  remove_checkpoints(out);
  std::filesystem::remove(out / "settings.toml");
}

bool gets_more_steps(const std::filesystem::path& out, int64_t before, int64_t steps) {
  if (steps <= before) return false;
  check(newest_checkpoint(out).has_value(), shown(out), ": the run has had its ", before,
        " steps, and there is no checkpoint to go on from");
  return true;
}

void check_captions_are_there(const DataSettings& data) {
  check(!data.sets.empty() || std::filesystem::exists(data.captions) || are_shards(data.captions, data.kind),
        shown(data.captions), ": no such file (setting 'data.captions')");
}

}  // namespace tessera
