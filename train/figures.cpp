#include "train/figures.h"

#include <iomanip>
#include <nlohmann/json.hpp>
#include <sstream>

#include "io/words.h"
#include "tensor/ops/reduce.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

// Places of the figures on a GPU: the loss, the norm, then two for each term.
constexpr int kLoss = 0, kNorm = 1;
int loss_place(size_t term) { return 2 + 2 * static_cast<int>(term); }
int correct_place(size_t term) { return loss_place(term) + 1; }

Json share(int64_t part, int64_t whole) {
  return whole > 0 ? Json(static_cast<double>(part) / static_cast<double>(whole)) : Json(nullptr);
}

double samples_per_second(const Interval& interval, int64_t samples) {
  return static_cast<double>(interval.steps * samples) / interval.seconds;
}

template <class Terms, class NameOf>
auto& term_named(Terms& terms, std::string_view name, NameOf&& name_of) {
  for (auto& term : terms)
    if (name_of(term) == name) return term;
  fail("figures: there is no loss '", name, "'");
}

}  // namespace

const LossTerm& Losses::operator[](std::string_view name) const {
  return term_named(terms, name, [](const LossTerm& term) { return term.name; });
}

Figures::Figures(const FigureTable& table) {
  for (const Term& term : table) terms.push_back({term});
}

void Figures::add(const Figures& later) {
  step = later.step;
  learning_rate = later.learning_rate;
  loss += later.loss;
  gradient_norm += later.gradient_norm;
  if (terms.empty()) terms = std::vector<OfTerm>(later.terms.size());
  for (size_t i = 0; i < terms.size(); ++i) {
    terms[i].term = later.terms[i].term;
    terms[i].loss += later.terms[i].loss;
    terms[i].count += later.terms[i].count;
    terms[i].correct += later.terms[i].correct;
  }
}

const Figures::OfTerm& Figures::operator[](std::string_view name) const {
  return term_named(terms, name, [](const OfTerm& term) { return term.term.name; });
}

void Interval::add(const Figures& figures, double step_seconds, double step_wait) {
  sum.add(figures);
  ++steps;
  seconds += step_seconds;
  wait += step_wait;
}

std::string metrics_row(const Interval& interval, double train_seconds, int64_t samples) {
  const Figures& sum = interval.sum;
  const auto n = static_cast<double>(interval.steps);
  Json row = {
      {"step", sum.step}, {"seconds", train_seconds}, {"learning_rate", sum.learning_rate}, {"loss", sum.loss / n}};
  for (const Figures::OfTerm& of : sum.terms) row[of.term.name + "_loss"] = of.loss / n;
  row["grad_norm"] = sum.gradient_norm / n;
  for (const Figures::OfTerm& of : sum.terms)
    if (!of.term.counted.empty()) row[of.term.name + "_accuracy"] = share(of.correct, of.count);
  row["samples_per_second"] = samples_per_second(interval, samples);
  row["data_wait_share"] = interval.wait / interval.seconds;
  return row.dump();
}

std::string progress_text(const Interval& interval, int64_t samples, const std::string& unit) {
  const auto n = static_cast<double>(interval.steps);
  std::string out = "loss " + fixed_text(interval.sum.loss / n, 3) + "  ";
  for (const Figures::OfTerm& of : interval.sum.terms) out += of.term.name + " " + fixed_text(of.loss / n, 3) + "  ";
  return out + fixed_text(samples_per_second(interval, samples), 0) + " " + unit + "/s  data wait " +
         fixed_text(100 * interval.wait / interval.seconds, 0) + " %";
}

FigureSums::FigureSums(FigureTable table, Device device) : table_(std::move(table)) {
  check(correct_place(table_.size()) <= ops::StepFigures::kMostFigures, "figures: ", table_.size(),
        " losses, more than a GPU has places for");
  if (device.kind == Device::cuda) deferred_.emplace(device);
}

void FigureSums::add(const Losses& losses, Figures& figures) {
  const auto add_value = [&](const Variable& value, double& sum, int place) {
    if (!value.defined()) return;
    if (deferred_)
      deferred_->add(place, value.value());
    else
      sum += value.value().item<double>();
  };
  add_value(losses.total, figures.loss, kLoss);
  for (size_t i = 0; i < table_.size(); ++i) {
    const LossTerm& term = losses[table_[i].name];
    Figures::OfTerm& sum = figures.terms[i];
    add_value(term.loss, sum.loss, loss_place(i));
    if (!term.loss.defined() || table_[i].counted.empty()) continue;
    sum.count += term.labels.numel();
    const Tensor predicted = ops::argmax(term.logits.value(), 1, false);
    if (deferred_) {
      deferred_->add_matches(correct_place(i), predicted, term.labels);
      continue;
    }
    const std::vector<int64_t> got = predicted.to_vector<int64_t>(), wanted = term.labels.to_vector<int64_t>();
    for (size_t k = 0; k < wanted.size(); ++k) sum.correct += got[k] == wanted[k];
  }
}

Tensor FigureSums::finish_step(int64_t step, const Tensor& gradients, double max_norm) {
  return deferred_->finish_step(step, kLoss, kNorm, gradients, max_norm);
}

std::optional<FailedStep> FigureSums::read(Figures& sum) {
  if (!deferred_) return std::nullopt;
  const ops::StepFigures::Read read = deferred_->read();
  if (read.failed_step > 0) return FailedStep{read.failed_step, read.failed_loss, read.failed_norm};
  const auto value = [&](int place) { return read.sums[static_cast<size_t>(place)]; };
  sum.loss += value(kLoss);
  sum.gradient_norm += value(kNorm);
  if (sum.terms.empty()) sum.terms = Figures(table_).terms;
  for (size_t i = 0; i < table_.size(); ++i) {
    sum.terms[i].loss += value(loss_place(i));
    sum.terms[i].correct += static_cast<int64_t>(value(correct_place(i)));
  }
  return std::nullopt;
}

}  // namespace tessera
