// What stands on UNITER: the heads of its pre-training tasks and of its downstream tasks, under the published names.
#pragma once

#include <optional>

#include "models/uniter/model.h"

namespace tessera {

// Linear, GELU (erf), LayerNorm.
struct UniterTransform {
  Linear dense;
  LayerNorm norm;

  UniterTransform(int64_t in, int64_t out, double eps) : dense(in, out), norm(out, eps) {}
  Variable operator()(const Variable& rows) const { return norm(linear_gelu(rows, dense.weight, dense.bias)); }
};

// The words that were masked; the decoder is the table of words.
struct UniterWordHead {
  UniterTransform transform;
  Variable bias;  // [vocabulary]

  explicit UniterWordHead(const UniterConfig& config);
  void visit(const std::string& prefix, const ParameterVisitor& visitor);
};

// The features of regions that were masked; the decoder is the weight that projects features into the model,
// transposed.
struct UniterFeatureHead {
  UniterTransform transform;
  Variable bias;  // [img_dim]

  explicit UniterFeatureHead(const UniterConfig& config);
  void visit(const std::string& prefix, const ParameterVisitor& visitor);
};

// A label: of a masked region, or an answer.
struct UniterClassHead {
  UniterTransform transform;
  Linear output;

  UniterClassHead(int64_t in, int64_t inner, int64_t labels, double eps)
      : transform(in, inner, eps), output(inner, labels) {}
  Variable operator()(const Variable& rows) const { return output(transform(rows)); }
  // 0.*, 2.*, 3.*: places in a torch.nn.Sequential, whose 1 is the GELU.
  void visit(const std::string& prefix, const ParameterVisitor& visitor);
};

// Attention of the rows of one sequence to those of another, under the names of torch's MultiheadAttention.
struct UniterPairAttention {
  Variable weight, bias;  // in_proj_weight [3 hidden, hidden], in_proj_bias: queries, keys, values
  Linear output;          // out_proj
  int64_t heads = 1;
  double dropout = 0;  // of the probabilities

  explicit UniterPairAttention(const UniterConfig& config);
  // own [tokens, hidden], other.rows [tokens of the others, hidden] → [tokens, hidden]
  Variable operator()(const Variable& own, const Tensor& cu_seqlens, const States& other,
                      const ForwardContext& context) const;
  void visit(const std::string& prefix, const ParameterVisitor& visitor);
};

// A statement about two pictures ("pair-biattn"): the text with the first picture attends to the text with the second
// and the second to the first; what each finds is joined with what it was, and each is pooled by a weight per row.
struct UniterPairedAttention {
  UniterPairAttention attention1, attention2;  // attn1: of the first to the second; attn2
  Linear join;                                 // fc.0 [hidden, 2 hidden]
  Linear score;                                // attn_pool.fc.0 [1, hidden]
  double dropout = 0;

  explicit UniterPairedAttention(const UniterConfig& config);
  struct Output {
    Variable first, second;  // joined rows, packed
    Variable pooled;         // [pairs, 2 hidden]
  };
  // `hidden` in the parameters' type; sequences 2k and 2k + 1 of the batch are a pair.
  Output operator()(const Variable& hidden, const UniterBatch& batch, const ForwardContext& context) const;
  void visit(const std::string& prefix, const ParameterVisitor& visitor);

 private:
  Variable joined(const Variable& context_rows, const Variable& own, const ForwardContext& context) const;
  Variable pooled(const Variable& rows, const Tensor& cu_seqlens, const ForwardContext& context) const;
};

// Which heads a model has.
struct UniterHeads {
  bool words = false, region_features = false, region_classes = false, matching = false;
  bool answers = false, pair = false, paired_attention = false, rank = false;
};

// A function that needs a head which the model does not have throws an error that says so.
struct UniterWithHeads {
  Uniter uniter;
  std::optional<UniterWordHead> words;             // cls.predictions
  std::optional<UniterFeatureHead> features;       // feat_regress
  std::optional<UniterClassHead> region_classes;   // region_classifier.net
  std::optional<Linear> matching;                  // itm_output [2, hidden]; class 1: text and picture belong together
  std::optional<UniterClassHead> answers;          // vqa_output
  std::optional<Linear> statement;                 // nlvr2_output [2, 2 hidden]
  std::optional<UniterPairedAttention> attention;  // of nlvr2_output, where pooled outputs are not what it reads
  std::optional<Linear> rank;                      // rank_output [1, hidden]

  // `pair` and `paired_attention` at once are an error: they share a name.
  UniterWithHeads(const UniterConfig& config, const UniterHeads& heads);
  // Which there are.
  UniterHeads heads() const;
  // `rows` i64 [n] of the states.
  Variable word_logits(const Variable& hidden, const Tensor& rows) const;      // [n, vocabulary]
  Variable region_features(const Variable& hidden, const Tensor& rows) const;  // [n, img_dim]
  Variable region_logits(const Variable& hidden, const Tensor& rows) const;    // [n, img_label_dim]
  // Of the pooled output of each sequence.
  Variable matching_logits(const Variable& hidden, const UniterBatch& batch) const;  // [sequences, 2]
  Variable answer_logits(const Variable& hidden, const UniterBatch& batch) const;    // [sequences, num_answers]
  Variable rank_scores(const Variable& hidden, const UniterBatch& batch) const;      // [sequences, 1]
  // Of each pair, sequences 2k and 2k + 1: [pairs, 2].
  Variable statement_logits(const Variable& hidden, const UniterBatch& batch, const ForwardContext& context) const;
  void visit(const std::string& prefix, const ParameterVisitor& visitor);
};

// Copies a file's tensors, under the published names, into the parameters; the decoders that are tied to other tensors
// (cls.predictions.decoder.weight, feat_regress.weight) are passed over. Where a tensor is missing, unexpected or
// misshaped nothing is loaded and the error lists all.
void load_uniter(const ParameterSet& parameters, const std::map<std::string, Tensor>& file, const std::string& source);

}  // namespace tessera
