// What ViLBERT is trained for: masked words, masked regions and alignment in pre-training; questions (VQA) and the
// choice of a pair's partner (retrieval) after it.
#pragma once

#include "models/vilbert/model.h"

namespace tessera {

// layer_norm(gelu(dense(x))), before the scores of words and of regions.
struct VilbertTransform {
  Linear dense;
  LayerNorm layer_norm;

  VilbertTransform(int64_t size, double eps) : dense(size, size), layer_norm(size, eps) {}
  Variable operator()(const Variable& x) const { return layer_norm(linear_gelu(x, dense.weight, dense.bias)); }
  // dense.*, LayerNorm.*
  void visit(const std::string& prefix, const ParameterVisitor& visitor);
};

struct VilbertPretraining {
  Vilbert bert;
  VilbertTransform word_transform, region_transform;
  Variable word_bias;     // [vocab_size]; the words' table is the decoder
  Linear region_decoder;  // [v_target_size, v_hidden_size]
  Linear alignment;       // [2, bi_hidden_size]

  explicit VilbertPretraining(const VilbertConfig& config);

  struct Scores {
    Variable words;    // [tokens, vocab_size]
    Variable regions;  // [rows, v_target_size]
    Variable match;    // [pairs, 2]
  };
  Scores scores(const Vilbert::Output& output) const;
  // Of some rows of a stream alone, i64 [n]: [n, vocab_size], [n, v_target_size].
  Variable word_scores(const Variable& text, const Tensor& rows) const;
  Variable region_scores(const Variable& vision, const Tensor& rows) const;
  // bert.*, cls.predictions.*, cls.imagePredictions.*, cls.bi_seq_relationship.*
  void visit(const std::string& prefix, const ParameterVisitor& visitor);
};

struct VilbertTargets {
  Tensor words;           // i64 [tokens]: the id at masked tokens, -1 elsewhere
  Tensor masked_regions;  // i64 [rows]: 1 = masked, anything else is not; a first row never is
  Tensor region_classes;  // [rows, v_target_size]: the detector's distribution
  Tensor match;           // i64 [pairs]: class of the pair
};
struct VilbertLosses {
  Variable words;    // mean cross-entropy over masked tokens
  Variable regions;  // Σ KL(detector, scores) over masked regions / their number; 0 without any
  Variable match;    // mean cross-entropy
  Variable total;    // their sum
};
VilbertLosses vilbert_losses(const VilbertPretraining::Scores& scores, const VilbertTargets& targets);

// A linear map by direction and length (Salimans, Kingma: "Weight Normalization", NeurIPS 2016), with one length for
// the whole matrix: y = x (g v / |v|)ᵀ + b.
struct WeightNormLinear {
  Variable bias, weight_g, weight_v;  // [out], [], [out, in]

  WeightNormLinear(int64_t in, int64_t out)
      : bias(zero_parameter({out})), weight_g(zero_parameter({})), weight_v(zero_parameter({out, in})) {}
  Variable operator()(const Variable& x) const;
  void visit(const std::string& prefix, const ParameterVisitor& visitor);
};

struct VilbertVqa {
  Vilbert bert;
  WeightNormLinear hidden, answers;  // to 2 bi_hidden_size, to num_answers

  explicit VilbertVqa(const VilbertConfig& config);
  // [pairs, num_answers]
  Variable scores(const Vilbert::Output& output, const ForwardContext& context) const;
  // Mean binary cross-entropy with soft scores of the same shape, times the answers.
  static Variable loss(const Variable& scores, const Tensor& targets);
  // bert.*, vil_prediction.main.{0,3}.*
  void visit(const std::string& prefix, const ParameterVisitor& visitor);
};

struct VilbertRetrieval {
  Vilbert bert;
  Linear logit;  // [1, bi_hidden_size]

  explicit VilbertRetrieval(const VilbertConfig& config) : bert(config), logit(config.bi_hidden_size, 1) {}
  Variable scores(const Vilbert::Output& output) const { return logit(output.fused); }  // [pairs, 1]
  // Of groups of `options` pairs one after another, of which the first is the true one: mean cross-entropy.
  static Variable loss(const Variable& scores, int64_t options);
  // bert.*, vil_logit.*
  void visit(const std::string& prefix, const ParameterVisitor& visitor);
};

}  // namespace tessera
