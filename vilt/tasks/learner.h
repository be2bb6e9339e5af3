// One update of pre-training, without files: model, optimiser and schedule.
#pragma once

#include <memory>
#include <optional>

#include "vilt/input/collator.h"
#include "nn/adamw.h"
#include "nn/schedule.h"
#include "tensor/ops/step_figures.h"
#include "tensor/step_graph.h"
#include "vilt/objectives.h"
#include "vilt/tasks/settings.h"

namespace tessera {

// One update's figures. On a GPU the losses, the norm and the correct ones are missing: see Learner::read_figures.
struct StepReport {
  int64_t step = 0;  // counted from 1
  double loss = 0, mlm_loss = 0, itm_loss = 0, wpa_loss = 0, mpp_loss = 0, gradient_norm = 0, learning_rate = 0;
  int64_t masked = 0, masked_correct = 0, pairs = 0, pairs_correct = 0;
  int64_t colours = 0, colours_correct = 0;  // (masked patch, channel) pairs, and those whose level is predicted exactly
};

// Sums over the steps since the last logged one.
struct Interval {
  StepReport sum;
  int64_t steps = 0;
  double seconds = 0, wait = 0;

  void add(const StepReport& report, double step_seconds, double step_wait);
};

// A step whose loss or gradient was not finite.
struct FailedStep {
  int64_t step = 0;
  double loss = 0, gradient_norm = 0;
};

// Model, optimiser and schedule: what one update needs, without files. One thread at a time.
//
// On a GPU no update waits for the device. Figures are summed up there until they are read; if a step's loss or gradient
// is not finite, neither that step nor any later one changes the parameters, and the next reading tells.
class Learner {
 public:
  explicit Learner(const Settings& settings);
  // The micro-batches of one step → one update. A value that is not finite leaves the parameters as they were and throws
  // NonFinite, naming step, sentences and the first bad tensor; on a GPU it comes to light in read_figures.
  StepReport update(const std::vector<PretrainBatch>& step);
  // On a GPU: waits for it, adds the figures of the updates since the last reading to `sum`, and returns the step that
  // failed, if one did. On the CPU there is nothing to add.
  std::optional<FailedStep> read_figures(StepReport& sum);
  // Runs a failed step, whose micro-batches are given once more, with every value looked at, and throws NonFinite.
  [[noreturn]] void explain_non_finite(const std::vector<PretrainBatch>& step, const FailedStep& failed);

  int64_t updates() const { return optimizer_->updates(); }
  ViltWithHeads& model() { return *model_; }
  ParameterSet& parameters() { return *parameters_; }
  AdamW& optimizer() { return *optimizer_; }
  const PolynomialSchedule& schedule() const { return schedule_; }

 private:
  void add_micro_batch(const PretrainBatch& batch, const LossDivisors& divisors, TicketSource& tickets,
                       StepReport& report);
  void update_on_device(const std::vector<PretrainBatch>& step, const LossDivisors& divisors, StepReport& report);
  void add_micro_batches(const std::vector<PretrainBatch>& step, const LossDivisors& divisors, StepReport& report);
  void add_losses(const PretrainBatch& batch, const Objectives& out, StepReport& report);

  Settings settings_;
  ObjectiveOptions objectives_;
  std::unique_ptr<ViltWithHeads> model_;
  std::unique_ptr<ParameterSet> parameters_;
  std::unique_ptr<AdamW> optimizer_;
  std::optional<ops::StepFigures> figures_;  // on a GPU
  std::optional<StepGraph> graph_;           // on a GPU, if wanted
  PolynomialSchedule schedule_;
};

// The model with the heads that the objectives ask for.
ModelConfig model_config(const Settings& settings);
SampleOptions sample_options(const Settings& settings);
CollatorOptions collator_options(const Settings& settings);
ObjectiveOptions objective_options(const Settings& settings);

}  // namespace tessera
