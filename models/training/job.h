// The training of a system as a job (train/training.h): its data, the untrained control, its figures.
//
// A System is a type with
//   static constexpr const char* kName      "clip", as system.kind has it
//   Options                                  its own settings (models/training/settings.h)
//   Task                                     what the loop trains: Learnable (train/learner.h), with
//     Task(const SettingsOf<Options>&, const SystemData&)
//     step(n), save(folder), open(folder)    as of train/task.h
//     activations()
//     beginnings()                           lines for the log: what it begins with, what its user should know
//     evaluate(const SampleSource&, const CaptionEvaluation&) → NamedFigures
//   static std::string described(const SettingsOf<Options>&)   what is optimised, in a line
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/sets/fingerprint.h"
#include "models/training/data.h"
#include "models/training/settings.h"
#include "train/evaluation/caption_evaluation.h"
#include "train/evaluation/evaluation_progress.h"
#include "train/evaluation/task_summary.h"
#include "train/training.h"

namespace tessera {

// A system's task with what the loop asks besides: evaluations of the validation split.
template <class System>
class SystemTask : public System::Task {
 public:
  using Settings = SettingsOf<typename System::Options>;

  SystemTask(const Settings& settings, const SystemData& data)
      : System::Task(settings, data),
        settings_(settings),
        data_(data),
        usable_(data.validation, data.quarantine.limit(), data.quarantine.report()) {}

  Evaluated evaluate() {
    CaptionEvaluation options;
    options.choice.limit = settings_.train.evaluate_samples;
    options.choice.usable = &usable_;
    options.controls = false;
    const NamedFigures figures = this->System::Task::evaluate(data_.validation, options);
    return {figures_json(figures), settings_.data.validation_split + ": " + in_words(figures)};
  }
  std::string remarks() const {
    return text("; ", data_.train.cached_bytes() >> 20, " MiB of decoded images in memory; ", data_.quarantine.count(),
                " images left out");
  }

 private:
  const Settings& settings_;
  SystemData data_;
  UsablePictures usable_;
};

template <class System>
class SystemJob {
 public:
  using Settings = SettingsOf<typename System::Options>;
  using Task = SystemTask<System>;
  using Summary = TaskSummary;

  SystemJob(Settings settings, const TrainingOptions& options)
      : settings_(std::move(settings)), log_(options.log ? *options.log : std::cout) {}

  const Settings& settings() const { return settings_; }
  static std::string json(const Summary& summary) { return summary_json(summary); }
  static Summary read(const std::filesystem::path& path) { return read_task_summary(path); }
  static std::vector<std::string> own_files() { return {}; }

  void begin(const std::optional<std::filesystem::path>& checkpoint) { checkpoint_ = checkpoint; }
  std::string described() const { return System::described(settings_); }
  void open() {
    splits_ = std::make_unique<SystemSplits>(settings_, checkpoint_, settings_.options.patch(),
                                             settings_.options.max_length(), log_);
  }
  Task task(Quarantine& quarantine) const { return Task(settings_, splits_->data(quarantine)); }
  std::string samples() const {
    return text(splits_->train().captions(), " captions of ", splits_->train().images(), " images");
  }
  int64_t vocabulary_size() const { return static_cast<int64_t>(splits_->vocabulary().size()); }
  std::vector<std::string> begun(const Task& task) const {
    std::vector<std::string> lines = task.beginnings();
    const int64_t batch = settings_.train.batch_size, captions = splits_->train().captions();
    if (batch > captions)
      lines.push_back(text("note: a batch of ", batch, " (train.batch_size) is more than the ", captions,
                           " captions: a step has some of them more than once"));
    return lines;
  }
  std::map<std::string, std::string> fingerprint() const {
    return tessera::fingerprint(splits_->train().dataset(), settings_.data.images);
  }

  Summary finish(Task& task, const RunFacts& facts) {
    TaskSummary summary;
    static_cast<RunFacts&>(summary) = facts;
    summary.task = System::kName;
    EvaluationProgress progress;
    const auto figures = [&](Task& of, const std::string& model, const SystemSplits::Split& split,
                             const std::string& group) {
      UsablePictures usable(*split.source, settings_.data.max_bad_files, progress.report());
      CaptionEvaluation options;
      options.choice = {settings_.train.test_samples, group, &usable};
      options.retrieval_pictures = kRetrievalPictures;
      options.tell = progress.of(model);
      return of.System::Task::evaluate(*split.source, options);
    };
    const SystemSplits::Split test = splits_->test(log_);
    summary.figures["test"] = figures(task, "trained model", test, "");
    if (!settings_.data.unseen_split.empty())
      summary.figures["test_unseen"] = figures(task, "trained model", splits_->unseen(), settings_.data.unseen_group);
    {
      Quarantine quarantine(settings_.data.max_bad_files, progress.report());
      Task untrained = this->task(quarantine);
      summary.figures["untrained"] = figures(untrained, "untrained model", test, "");
    }
    progress.clear();
    return summary;
  }

 private:
  // Of a retrieval at the end: all pairs are scored, by a fused model one by one.
  static constexpr int64_t kRetrievalPictures = 200;

  Settings settings_;
  std::ostream& log_;
  std::optional<std::filesystem::path> checkpoint_;
  std::unique_ptr<SystemSplits> splits_;
};

}  // namespace tessera
