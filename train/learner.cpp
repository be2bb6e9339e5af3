#include "train/learner.h"

#include <cmath>

#include "autograd/finite.h"
#include "autograd/tape.h"
#include "nn/gradient_clipping.h"
#include "tensor/device.h"

namespace tessera {

UpdateRule::UpdateRule(ParameterSet& parameters, FigureTable table, const LearnerOptions& options,
                       const GroupFunction& group, const std::optional<std::set<std::string>>& trained,
                       Communicator& ranks)
    : parameters_(parameters),
      options_(options),
      ranks_(ranks),
      optimizer_(parameters, options.optimizer, group, trained),
      sums_(std::move(table), parameters.device()) {
  options_.schedule.validate();
  if (options_.graph) graph_.emplace(parameters.device());
  check(ranks.size() == 1 || !sums_.on_device(), "learner: several ranks on GPUs");
}

std::vector<int64_t> UpdateRule::over_ranks(std::vector<int64_t> divisors) {
  if (ranks_.size() == 1) return divisors;
  const Tensor sums = Tensor::from(divisors);
  ranks_.all_reduce_(sums);
  return sums.to_vector<int64_t>();
}

void UpdateRule::add_losses(const Losses& losses, Figures& figures) { sums_.add(losses, figures); }

void UpdateRule::forward_and_backward(const Passes& passes, Figures& figures) {
  parameters_.clear_gradients();
  TicketSource tickets(options_.seed, static_cast<uint32_t>(figures.step - 1));
  passes(tickets, figures);
}

// So that every rank logs the same figures, and comes to the same decision about them.
void UpdateRule::sum_over_ranks(Figures& figures) {
  std::vector<double> sums{figures.loss};
  std::vector<int64_t> counts;
  for (const Figures::OfTerm& of : figures.terms) {
    sums.push_back(of.loss);
    counts.insert(counts.end(), {of.count, of.correct});
  }
  const Tensor sums_there = Tensor::from(sums), counts_there = Tensor::from(counts);
  ranks_.all_reduce_(sums_there);
  ranks_.all_reduce_(counts_there);
  sums = sums_there.to_vector<double>();
  counts = counts_there.to_vector<int64_t>();
  figures.loss = sums[0];
  for (size_t i = 0; i < figures.terms.size(); ++i) {
    figures.terms[i].loss = sums[i + 1];
    figures.terms[i].count = counts[2 * i];
    figures.terms[i].correct = counts[2 * i + 1];
  }
}

void UpdateRule::set_schedule(const PolynomialSchedule& schedule) {
  schedule.validate();
  options_.schedule = schedule;
}

// transformers' scheduler is asked before the update, so under warm-up its first rate is 0.
int64_t UpdateRule::schedule_place(int64_t finished) const {
  return options_.optimizer.variant == AdamWVariant::torch ? finished + 1 : finished;
}

bool UpdateRule::update(const Passes& passes, Figures& figures) {
  const int64_t finished = updates();
  figures.step = finished + 1;
  figures.learning_rate = learning_rate(finished);
  if (sums_.on_device()) {
    const auto work = [&] {
      forward_and_backward(passes, figures);
      parameters_.finish_gradients();
      optimizer_.step(figures.learning_rate, sums_.finish_step(figures.step, parameters_.gradients(), options_.clip));
    };
    graph_ ? graph_->run(work) : work();
    return true;
  }
  forward_and_backward(passes, figures);
  if (ranks_.size() > 1) {
    parameters_.finish_gradients();
    ranks_.all_reduce_(parameters_.gradients());
    sum_over_ranks(figures);
  }
  figures.gradient_norm = parameters_.global_norm();
  if (!std::isfinite(figures.loss) || !std::isfinite(figures.gradient_norm)) return false;
  optimizer_.step(figures.learning_rate, clip_factor(figures.gradient_norm, options_.clip));
  return true;
}

std::optional<FailedStep> UpdateRule::read_figures(Figures& sum) {
  if (!sums_.on_device()) return std::nullopt;
  check_device_errors(parameters_.device());
  return sums_.read(sum);
}

// The same tickets give the same values.
void UpdateRule::explain(const Passes& passes, const FailedStep& failed, const std::string& samples) {
  std::string reason = "no single tensor, only their sum, is not finite";
  for (const ParameterSet::Slot& slot : parameters_.slots()) {
    if (all_finite(slot.parameter.value())) continue;
    throw NonFinite(text("step ", failed.step, ": parameter ", slot.name, " is not finite (", samples, ")"));
  }
  try {
    const CheckFinite guard;
    Figures again(figure_table());
    again.step = failed.step;
    forward_and_backward(passes, again);
  } catch (const NonFinite& error) {
    reason = error.what();
  }
  throw NonFinite(text("step ", failed.step, ": loss ", failed.loss, ", gradient norm ", failed.gradient_norm, ": ",
                       reason, " (", samples, "); nothing was updated"));
}

}  // namespace tessera
