// ViLT's pre-training as a task (train/learner.h, train/task.h): the model, what it learns from a batch, and, for a
// whole run, the data it draws from, its evaluation and its files.
#pragma once

#include <memory>
#include <optional>

#include "data/usable_pictures.h"
#include "train/task.h"
#include "vilt/files/load_model.h"
#include "vilt/input/collator.h"
#include "vilt/objectives.h"
#include "vilt/tasks/settings.h"

namespace tessera {

// The model with the heads that the objectives ask for.
ModelConfig model_config(const Settings& settings);
SampleOptions sample_options(const Settings& settings);
CollatorOptions collator_options(const Settings& settings);
ObjectiveOptions objective_options(const Settings& settings);
LearnerOptions learner_options(const Settings& settings);

// The model as it is drawn.
ViltWithHeads drawn_model(const Settings& settings);

// Model and losses: what an update needs.
class Pretraining {
 public:
  using Batch = PretrainBatch;

  // `weights` to begin with (vilt/tasks/initial_weights.h), or null.
  explicit Pretraining(const Settings& settings, const LoadedModel* weights = nullptr);

  ViltWithHeads& model() { return model_; }
  const ViltWithHeads& model() const { return model_; }
  ParameterSet& parameters() { return parameters_; }
  DType activations() const { return context_.activations; }
  const ForwardContext& context() const { return context_; }  // how the model computes outside of training
  FigureTable figure_table() const { return objective_table(objectives_); }
  ParameterGroup group(const std::string& name, const Variable& parameter) const;
  std::set<std::string> trained() const;
  std::vector<int64_t> divisors(const PretrainBatch& batch) const { return count_divisors({&batch, 1}); }
  Losses losses(const PretrainBatch& batch, std::span<const int64_t> divisors, TicketSource& tickets) const;
  std::string samples(std::span<const PretrainBatch> step) const;
  // What was taken of the weights to begin with; empty without.
  const std::vector<std::string>& beginnings() const { return beginnings_; }

 private:
  Settings settings_;
  ObjectiveOptions objectives_;
  ViltWithHeads model_;
  ParameterSet parameters_;
  ForwardContext context_;
  std::vector<std::string> beginnings_;
};

// With data, evaluation and files. What is given must outlive the task.
class PretrainingRun : public Pretraining {
 public:
  PretrainingRun(const Settings& settings, const LoadedModel* weights, const Wordpiece& vocabulary,
                 const PairSource& train, const SampleSource& validation, Quarantine& quarantine);

  std::vector<PretrainBatch> step(int64_t number) const { return collator_.step(number); }
  Evaluated evaluate();
  void save(const std::filesystem::path& folder);
  std::function<void()> open(const std::filesystem::path& folder);
  std::string remarks() const;

 private:
  std::vector<EventImage> examples();

  Settings settings_;
  const Wordpiece& vocabulary_;
  const PairSource& train_;
  const SampleSource& validation_;
  const Quarantine& quarantine_;
  UsablePictures usable_;  // of validation
  Collator collator_;
};

}  // namespace tessera
