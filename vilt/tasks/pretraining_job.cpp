#include "vilt/tasks/pretraining_job.h"

#include "data/sets/fingerprint.h"
#include "data/shards/shard_source.h"
#include "train/evaluation/evaluation_progress.h"
#include "train/progress_line.h"
#include "train/sources/training_data.h"
#include "vilt/tasks/initial_weights.h"
#include "vilt/tasks/run_vocabulary.h"
#include "vilt/tasks/training_notes.h"

namespace tessera {

std::string PretrainingJob::described() const { return loss_equation(objective_options(settings_)); }

void PretrainingJob::begin(const std::optional<std::filesystem::path>& checkpoint) {
  read_weights(checkpoint);
  vocabulary_ = open_run_vocabulary(settings_, checkpoint, initial());
  settings_.model = model_config(settings_);
  settings_.model.validate();
}

void PretrainingJob::open() {
  TrainingData data = open_training_data(settings_.data, log_);
  if (!settings_.data.unseen_split.empty()) check_unseen(data.unseen);
  train_set_ = std::move(data.train);
  validation_.dataset = std::move(data.validation);
  open_source(validation_);
  if (data.shards.empty()) {
    train_ = std::make_unique<SampleSource>(train_set_, *vocabulary_, sample_options(settings_));
    return;
  }
  auto shards = std::make_unique<ShardSource>(std::move(data.shards), *vocabulary_, sample_options(settings_));
  shards_fingerprint_ = shards->fingerprint();
  train_ = std::move(shards);
}

void PretrainingJob::open_source(Split& split) const {
  split.source = std::make_unique<SampleSource>(split.dataset, *vocabulary_, sample_options(settings_));
}

PretrainingJob::Task PretrainingJob::task(Quarantine& quarantine) const {
  return Task(settings_, initial(), *vocabulary_, *train_, *validation_.source, quarantine);
}

std::string PretrainingJob::samples() const {
  return text(train_->captions(), " captions of ", train_->images(), " images");
}

std::vector<std::string> PretrainingJob::begun(const Task& task) {
  return drop_weights(task.beginnings(), training_notes(settings_, *train_));
}

std::map<std::string, std::string> PretrainingJob::fingerprint() const {
  if (!shards_fingerprint_.empty()) return shards_fingerprint_;
  return tessera::fingerprint(train_set_, settings_.data.images);
}

void PretrainingJob::check_unseen(const Dataset& unseen) const {
  const std::string& group = settings_.data.unseen_group;
  if (group.empty()) return;
  unseen.require(AnnotationField::group, "data.unseen_group");
  for (size_t s = 0; s < unseen.sentences().size(); ++s)
    if (*unseen.annotation(static_cast<int64_t>(s))->group == group) return;
  fail("data: no sentence of the split '", settings_.data.unseen_split, "' is in the group '", group,
       "' (data.unseen_group)");
}

Summary PretrainingJob::finish(Task& task, const RunFacts& facts) {
  Split test{open_test_data(settings_.data), nullptr};
  open_source(test);
  ViltWithHeads untrained = drawn_model(settings_);
  ParameterSet untrained_parameters(untrained, DType::f32, "", task.parameters().device());
  const std::string note = begin_again(settings_, untrained_parameters);
  if (!note.empty()) log_ << "note: " << note << std::endl;
  Summary summary;
  static_cast<RunFacts&>(summary) = facts;
  EvaluationOptions options, of_untrained;
  options.plan.training_beta = settings_.objectives.ipot_beta;
  options.plan.training_iterations = settings_.objectives.ipot_iterations;
  of_untrained = options;
  options.limit = of_untrained.limit = settings_.train.test_samples;
  EvaluationProgress progress;
  const auto usable_of = [&](const Split& split) {
    return UsablePictures(*split.source, settings_.data.max_bad_files, progress.report());
  };
  UsablePictures usable = usable_of(test);
  options.usable = of_untrained.usable = &usable;
  options.progress = progress.of("trained model");
  of_untrained.progress = progress.of("untrained model");
  options.context = task.context();
  const auto all = static_cast<int64_t>(test.dataset.sentences().size());
  const bool limited = options.limit > 0 && options.limit < all;
  log_ << "evaluating on " << (limited ? text(options.limit, " of ", all) : text(all)) << " captions of split "
       << settings_.data.test_split << (limited ? " (train.test_samples; 0: all)" : "") << std::endl;
  summary.blocks["test"] = evaluate(task.model(), *test.source, options);
  summary.blocks["untrained"] = evaluate(untrained, *test.source, of_untrained);
  summary.blocks["shuffled_caption"] = evaluate_shuffled(task.model(), *test.source, options);
  if (!settings_.data.unseen_split.empty()) {
    Split unseen{open_unseen_data(settings_.data), nullptr};
    open_source(unseen);
    options.group = settings_.data.unseen_group;
    UsablePictures usable_unseen = usable_of(unseen);
    options.usable = &usable_unseen;
    summary.blocks["test_unseen"] = evaluate(task.model(), *unseen.source, options);
  }
  progress.clear();
  if (options_.report) options_.report(settings_, summary, task.model(), untrained, *test.source);
  return summary;
}

}  // namespace tessera
