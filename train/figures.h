// The figures of a training. A task names each of its losses once, in a table; what is summed, logged, stored, shown
// and drawn reads the table.
//
//   name "mlm", counted "masked"  →  metrics.jsonl: mlm_loss, mlm_accuracy
//                                    state.json: mlm_loss, masked, masked_correct
//                                    progress line: mlm
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "autograd/variable.h"
#include "tensor/ops/step_figures.h"

namespace tessera {

struct Term {
  std::string name;
  std::string counted;  // what the loss predicts and hits are counted of; empty: nothing
};
using FigureTable = std::vector<Term>;

// What a task computes for one micro-batch.
struct LossTerm {
  std::string name;  // of the table
  Variable loss;     // scalar, divided but unweighted; undefined: switched off, or nothing of it in this micro-batch
  Variable logits;   // [n, classes], of what is counted
  Tensor labels;     // i64 [n]
};
struct Losses {
  Variable total;               // scalar: this micro-batch's share of the step's loss; undefined: nothing to learn from
  std::vector<LossTerm> terms;  // in the order of the table

  const LossTerm& operator[](std::string_view name) const;  // an error if there is none
};

// The figures of one step, or their sums over several.
struct Figures {
  struct OfTerm {
    Term term;
    double loss = 0;
    int64_t count = 0, correct = 0;
  };
  int64_t step = 0;          // the last one, counted from 1
  double learning_rate = 0;  // its
  double loss = 0, gradient_norm = 0;
  std::vector<OfTerm> terms;

  Figures() = default;
  explicit Figures(const FigureTable& table);
  void add(const Figures& later);
  const OfTerm& operator[](std::string_view name) const;  // an error if there is none
};

// Sums over the steps since the last logged one.
struct Interval {
  Figures sum;
  int64_t steps = 0;
  double seconds = 0, wait = 0;

  Interval() = default;
  explicit Interval(const FigureTable& table) : sum(table) {}
  void add(const Figures& figures, double step_seconds, double step_wait);
};

// The row of metrics.jsonl for an interval, one JSON object; `samples` is how many a step has.
std::string metrics_row(const Interval& interval, double train_seconds, int64_t samples);
// "loss 1.234  mlm 0.567  …  812 pairs/s  data wait 3 %": what the progress line says of it, `unit` being "pairs".
std::string progress_text(const Interval& interval, int64_t samples, const std::string& unit);

// A step whose loss or gradient was not finite.
struct FailedStep {
  int64_t step = 0;
  double loss = 0, gradient_norm = 0;
};

// Adds up the figures of steps as they are computed: on the CPU at once; on a GPU there, without waiting for it, until
// they are read.
class FigureSums {
 public:
  FigureSums(FigureTable table, Device device);

  bool on_device() const { return deferred_.has_value(); }
  const FigureTable& table() const { return table_; }
  // The losses of a micro-batch, before its backward pass. `figures` gets the counts, and on the CPU all of them.
  void add(const Losses& losses, Figures& figures);
  // On a GPU: ends a step; the factor for AdamW (tensor/ops/step_figures.h).
  Tensor finish_step(int64_t step, const Tensor& gradients, double max_norm);
  // On a GPU: waits for it, and adds what was put off since the last reading to `sum`; or tells which step failed.
  std::optional<FailedStep> read(Figures& sum);

 private:
  FigureTable table_;
  std::optional<ops::StepFigures> deferred_;
};

}  // namespace tessera
