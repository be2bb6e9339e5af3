// The losses of pre-training and their sum.
//
//   total = w_mlm · Σ cross-entropy of masked words / masked
//         + w_itm · Σ cross-entropy of matching / pairs
//         + w_wpa · (Σ_matched distance - Σ_unmatched distance) / pairs
//         + w_mpp · Σ cross-entropy of the colours of masked patches / (3 · masked patches)
//
// The last, masked patch prediction, is off by default (ViLT's authors tried it and left it out); the model needs the head
// for it, the batch a pass for it.
//
// Masked words, pairs and masked patches are counted over the whole step, so that micro-batches are invisible: k of b
// pairs give the sums, and the gradients, of one of k·b. The optimal-transport plan of the word-patch alignment is a
// constant in backward: a gradient check of the whole loss has to freeze it (tests/vilt/objectives_test.cpp).
#pragma once

#include <vector>

#include "vilt/input/batch.h"
#include "vilt/heads.h"

namespace tessera {

struct ObjectiveOptions {
  double mlm_weight = 1, itm_weight = 1, wpa_weight = 0.1;  // 0 switches an objective off
  double ipot_beta = 0.5;
  int64_t ipot_iterations = 50;
  double mpp_weight = 0;
};

struct LossDivisors {
  int64_t masked = 0, pairs = 0, patches = 0;
};

LossDivisors count_divisors(const std::vector<PretrainBatch>& step);

struct Objectives {
  Variable total;     // scalar: this micro-batch's share of the step's loss
  Variable mlm, itm, wpa, mpp;  // scalars, unweighted but divided; undefined where switched off or empty
  Variable mlm_logits, itm_logits, distance;  // [masked, vocabulary], [pairs, 2], f64 [pairs]
  Variable mpp_logits;  // [masked patches, 3 · 256]
  Tensor cost, plan;  // ragged flat, of the pairs
  Variable hidden;    // [tokens, hidden]
};

// 1 - cosine of every word with every patch of its pair: ragged flat [Σ words · patches], in the parameters' type.
Variable alignment_cost(const Vilt& model, const Variable& hidden, const ObjectiveTables& tables);

// `frozen_plan`: use it in place of the plan of these costs (for gradient checks).
Objectives pretrain_objectives(const ViltWithHeads& model, const PretrainBatch& batch, const ObjectiveOptions& options,
                               const LossDivisors& divisors, const BlockContext& context, const Tensor& frozen_plan = {});

// "loss = 1 · mlm + 1 · itm + 0.1 · wpa": printed at the start of training.
std::string loss_equation(const ObjectiveOptions& options);

}  // namespace tessera
