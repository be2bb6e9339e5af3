// One update of a task's parameters, without files: losses of the micro-batches, backward, one sum over the ranks, the
// clipped step of AdamW. One thread at a time.
//
// On a GPU no update waits for the device. Figures are summed up there until they are read; if a step's loss or
// gradient is not finite, neither that step nor any later one changes the parameters, and the next reading tells.
#pragma once

#include <concepts>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "distributed/communicator.h"
#include "nn/adamw.h"
#include "nn/forward_context.h"
#include "nn/schedule.h"
#include "tensor/step_graph.h"
#include "train/figures.h"

namespace tessera {

// What a learner asks of a task. `Batch` is one of the micro-batches that a step is cut into.
template <class T>
concept Learnable = requires(T& task, const typename T::Batch& batch, std::span<const typename T::Batch> step,
                             std::span<const int64_t> divisors, TicketSource& tickets) {
  // The task's losses, in their order; none is added later.
  { task.figure_table() } -> std::convertible_to<FigureTable>;
  { task.parameters() } -> std::same_as<ParameterSet&>;
  // How a parameter is updated, and the names of those that are (all, if there is nothing).
  { task.group(std::string(), Variable()) } -> std::same_as<ParameterGroup>;
  { task.trained() } -> std::convertible_to<std::optional<std::set<std::string>>>;
  // What sums over this micro-batch are divided by, added up over the micro-batches of a step and over the ranks: so
  // neither shows in the result.
  { task.divisors(batch) } -> std::convertible_to<std::vector<int64_t>>;
  // Draws its dropout from `tickets`: the same numbers for the same step.
  { task.losses(batch, divisors, tickets) } -> std::convertible_to<Losses>;
  // Names the samples of a step for messages: "sentences 3, 17".
  { task.samples(step) } -> std::convertible_to<std::string>;
};

// A task may have these too. What has to be known of a whole step before its losses are computed one micro-batch at a
// time, in the order of `step` (train/whole_step_loss.h); every rank calls it. `tickets` are those that the losses will
// draw from, which these draws do not use up.
template <class T>
concept BeginsSteps = requires(T& task, std::span<const typename T::Batch> step, Communicator& ranks,
                               TicketSource tickets) {
  task.begin_step(step, ranks, tickets);
};
// What is done to the parameters after each update, such as holding one to its range; on a GPU without waiting for it.
template <class T>
concept EndsUpdates = requires(T& task) {
  task.after_update();
};

struct LearnerOptions {
  AdamWOptions optimizer;
  PolynomialSchedule schedule;
  double clip = 0;  // largest global gradient norm; 0: none
  uint64_t seed = 0;
  bool graph = false;  // on a GPU: a step is given to it as one CUDA graph
};

// What of an update does not depend on the task.
class UpdateRule {
 public:
  UpdateRule(ParameterSet& parameters, FigureTable table, const LearnerOptions& options, const GroupFunction& group,
             const std::optional<std::set<std::string>>& trained, Communicator& ranks);

  int64_t updates() const { return optimizer_.updates(); }
  ParameterSet& parameters() { return parameters_; }
  AdamW& optimizer() { return optimizer_; }
  const PolynomialSchedule& schedule() const { return options_.schedule; }
  void set_schedule(const PolynomialSchedule& schedule);
  // Of the update after `finished` ones.
  double learning_rate(int64_t finished) const { return options_.schedule.rate(schedule_place(finished)); }
  // Where in the schedule that update looks.
  int64_t schedule_place(int64_t finished) const;
  const FigureTable& figure_table() const { return sums_.table(); }

  // On a GPU: waits for it, adds the figures of the updates since the last reading to `sum`, and returns the step that
  // failed, if one did. On the CPU there is nothing to add.
  std::optional<FailedStep> read_figures(Figures& sum);

 protected:
  // Adds the losses of every micro-batch to `figures` and their gradients to the parameters'.
  using Passes = std::function<void(TicketSource& tickets, Figures& figures)>;

  Communicator& ranks() { return ranks_; }
  std::vector<int64_t> over_ranks(std::vector<int64_t> divisors);
  // One update; false if its loss or gradient, which `figures` then has, is not finite: nothing has changed then.
  bool update(const Passes& passes, Figures& figures);
  void add_losses(const Losses& losses, Figures& figures);
  // Makes the passes of a failed step once more, with every value looked at, and throws NonFinite.
  [[noreturn]] void explain(const Passes& passes, const FailedStep& failed, const std::string& samples);

 private:
  void forward_and_backward(const Passes& passes, Figures& figures);
  void sum_over_ranks(Figures& figures);

  ParameterSet& parameters_;
  LearnerOptions options_;
  Communicator& ranks_;
  AdamW optimizer_;
  FigureSums sums_;
  std::optional<StepGraph> graph_;
};

template <Learnable Task>
class Learner : public UpdateRule {
 public:
  using Batch = typename Task::Batch;

  // `task` and `ranks` must outlive the learner.
  Learner(Task& task, const LearnerOptions& options, Communicator& ranks = single_rank())
      : UpdateRule(
            task.parameters(), task.figure_table(), options,
            [&task](const std::string& name, const Variable& parameter) { return task.group(name, parameter); },
            task.trained(), ranks),
        task_(task) {}

  // The micro-batches of one step (of this rank) → one update. A value that is not finite leaves the parameters as they
  // were and throws NonFinite, naming step, samples and the first bad tensor; on a GPU it comes to light in
  // read_figures.
  Figures update(const std::vector<Batch>& step) {
    Figures figures(figure_table());
    if (!UpdateRule::update(passes(step), figures))
      explain_non_finite(step, {figures.step, figures.loss, figures.gradient_norm});
    if constexpr (EndsUpdates<Task>) task_.after_update();
    return figures;
  }
  // Runs a failed step, whose micro-batches are given once more.
  [[noreturn]] void explain_non_finite(const std::vector<Batch>& step, const FailedStep& failed) {
    explain(passes(step), failed, task_.samples(step));
  }

 private:
  Passes passes(const std::vector<Batch>& step) {
    std::vector<int64_t> divisors;
    for (const Batch& batch : step) {
      const std::vector<int64_t> more = task_.divisors(batch);
      divisors.resize(more.size());
      for (size_t i = 0; i < more.size(); ++i) divisors[i] += more[i];
    }
    return [this, &step, divisors = over_ranks(std::move(divisors))](TicketSource& tickets, Figures& figures) {
      if constexpr (BeginsSteps<Task>) task_.begin_step(step, ranks(), tickets);
      for (const Batch& batch : step) {
        const Losses losses = task_.losses(batch, divisors, tickets);
        if (!losses.total.defined()) continue;
        add_losses(losses, figures);
        losses.total.backward();
      }
    };
  }

  Task& task_;
};

}  // namespace tessera
