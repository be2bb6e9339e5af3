// What stands on ViLT's backbone, and the model as a whole: the backbone with the heads that its configuration names.
//
// Names are Hugging Face's where it has the head (mlm_score, classifier, rank_output), else the authors' (itm_score,
// mpp_score).
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "vilt/model.h"

namespace tessera {

// Linear, GELU (erf), LayerNorm: what stands before a decoder to words or colours.
struct HeadTransform {
  Linear dense;
  LayerNorm layer_norm;

  HeadTransform(int64_t hidden_size, double eps) : dense(hidden_size, hidden_size), layer_norm(hidden_size, eps) {}
  Variable operator()(const Variable& rows) const;  // [n, hidden] → [n, hidden]
  void visit(const std::string& prefix, const ParameterVisitor& visitor);
};

// Predicts the words that were masked.
struct MaskedWordHead {
  HeadTransform transform;
  Variable decoder;  // [vocabulary, hidden]; undefined: the word embeddings
  Variable bias;     // [vocabulary]

  explicit MaskedWordHead(const ModelConfig& config);
  // rows [n, hidden] → logits [n, vocabulary].
  Variable operator()(const Variable& rows, const Variable& word_embeddings) const;
  void visit(const std::string& prefix, const ParameterVisitor& visitor);
};

// Predicts the mean colour of hidden patches: for each channel one of 256 levels.
struct MaskedPatchHead {
  HeadTransform transform;
  Linear decoder;  // [3 · 256, hidden], channel-major

  explicit MaskedPatchHead(const ModelConfig& config);
  // rows [n, hidden] → logits [n, 3 · 256].
  Variable operator()(const Variable& rows) const;
  void visit(const std::string& prefix, const ParameterVisitor& visitor);
};

// Chooses a label from the pooled output of one image's sequence, or of two side by side: Linear to 2 · hidden,
// LayerNorm (eps 1e-5), GELU (erf), Linear to the labels.
struct Classifier {
  Linear dense;
  LayerNorm layer_norm;
  Linear output;

  explicit Classifier(const ModelConfig& config);
  // [n, num_images · hidden] → [n, labels].
  Variable operator()(const Variable& pooled) const;
  void visit(const std::string& prefix, const ParameterVisitor& visitor);
};

// All that the rest of the program knows of a head: how files, messages, tables and the optimiser tell it.
struct HeadInfo {
  const char* prefix;  // of its parameters' names
  bool Heads::*present;
  const char* part;       // "masked-word head"
  const char* needed;     // "head for masked words (mlm_score)": what a model without it lacks
  const char* use;        // what it answers, and the command that asks it ...
  const char* pair_use;   // ... over two images, where that is another
  const char* objective;  // the pre-training loss that alone reaches it; null: none does
  // How published training updates it: whether it has a learning rate of its own, a multiple of the body's, and whether
  // the weight of its LayerNorm decays, as no other vector does. The rule there is a test for parts of names.
  bool own_rate, norm_decays;
};
std::span<const HeadInfo> head_table();
// The head that a parameter belongs to, or null.
const HeadInfo* head_of(std::string_view parameter);

// A function that needs a head which the model does not have throws an error that says so.
struct ViltWithHeads {
  Vilt vilt;
  std::optional<MaskedWordHead> masked_words;
  std::optional<Linear> matching;  // [2, hidden] on the pooled output; class 1: text and image belong together
  std::optional<Classifier> classifier;
  std::optional<Linear> rank;  // [1, hidden] on the pooled output
  std::optional<MaskedPatchHead> masked_patches;

  explicit ViltWithHeads(const ModelConfig& config);
  // The head is then one that the model does not have; its parameters remain in the sets that hold them.
  void remove(const HeadInfo& head);
  // `rows`: i64 [n], of `hidden` [tokens, hidden].
  Variable masked_word_logits(const Variable& hidden, const Tensor& rows) const;   // [n, vocabulary]
  Variable matching_logits(const Variable& hidden, const Tensor& rows) const;      // [n, 2]
  Variable rank_scores(const Variable& hidden, const Tensor& rows) const;          // [n, 1]
  Variable masked_patch_logits(const Variable& hidden, const Tensor& rows) const;  // [n, 3 · 256]
  // `rows`: i64 [n · num_images], the [CLS] rows of the sequences, those of a pair one after the other. → [n, labels]
  Variable class_logits(const Variable& hidden, const Tensor& rows) const;
  void visit(const std::string& prefix, const ParameterVisitor& visitor);
};

}  // namespace tessera
