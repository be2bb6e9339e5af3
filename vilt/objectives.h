// The losses of pre-training and their sum.
//
//   total = w_mlm · Σ cross-entropy of masked words / masked
//         + w_itm · Σ cross-entropy of matching / pairs
//         + w_wpa · (Σ_matched distance - Σ_unmatched distance) / pairs
//         + w_mpp · Σ cross-entropy of the colours of masked patches / (3 · masked patches)
//
// The last, masked patch prediction, is off by default (ViLT's authors tried it and left it out); the model needs the
// head for it, the batch a pass for it.
//
// Masked words, pairs and masked patches are counted over the whole step, so that micro-batches are invisible: k of b
// pairs give the sums, and the gradients, of one of k·b. The optimal-transport plan of the word-patch alignment is a
// constant in backward: a gradient check of the whole loss has to freeze it (tests/vilt/objectives_test.cpp).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "train/figures.h"
#include "vilt/heads.h"
#include "vilt/input/batch.h"

namespace tessera {

struct ObjectiveOptions {
  double mlm_weight = 1, itm_weight = 1, wpa_weight = 0.1;  // 0 switches an objective off
  double ipot_beta = 0.5;
  int64_t ipot_iterations = 50;
  double mpp_weight = 0;
};

struct Objectives;
struct ObjectiveInput;

// A pre-training loss: all that the rest of the program knows about it. To add one is to add a row (and what it needs
// of heads, batches and options).
struct Objective {
  Term term;                         // its names in figures and files
  double ObjectiveOptions::*weight;  // its setting, objectives.NAME_weight
  const char* mean;                  // what it is a mean over, for the loss equation
  const char *title, *note;          // of its chart; null: in none of its own
  bool always_logged;                // or only with a weight
  // What its sum is divided by, counted over the whole step; without any in a micro-batch it is left out there.
  int64_t (PretrainBatch::*count)() const;
  // Sets loss, logits and labels.
  void (*compute)(LossTerm& term, Objectives& out, const ObjectiveInput& in, int64_t divisor);
};
std::span<const Objective> all_objectives();  // in the order in which they are logged
bool is_logged(const Objective& objective, const ObjectiveOptions& options);

// Those that are logged with these options.
FigureTable objective_table(const ObjectiveOptions& options);

// Whether some objective with a weight reaches a parameter. Those that none reaches are not trained: a head of another
// objective, the pooler without matching, the mask token without masked patches.
bool is_reached(const std::string& parameter, const ObjectiveOptions& options);

// For each of all_objectives() its divisor, of these micro-batches together.
std::vector<int64_t> count_divisors(std::span<const PretrainBatch> step);

// Terms are those of objective_table.
struct Objectives : Losses {
  Variable hidden;    // [tokens, hidden]
  Tensor cost, plan;  // ragged flat, of the pairs
  Variable distance;  // f64 [pairs]
};

// 1 - cosine of every word with every patch of its pair: ragged flat [Σ words · patches], in the parameters' type.
Variable alignment_cost(const Vilt& model, const Variable& hidden, const ObjectiveTables& tables);

// `divisors`: of all_objectives(), of the whole step. `frozen_plan`: use it in place of the plan of these costs (for
// gradient checks).
Objectives pretrain_objectives(const ViltWithHeads& model, const PretrainBatch& batch, const ObjectiveOptions& options,
                               std::span<const int64_t> divisors, const ForwardContext& context,
                               const Tensor& frozen_plan = {});

// "loss = 1 · mlm + 1 · itm + 0.1 · wpa": printed at the start of training.
std::string loss_equation(const ObjectiveOptions& options);

}  // namespace tessera
