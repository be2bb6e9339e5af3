// BERT (Devlin, Chang, Lee, Toutanova: "BERT: Pre-training of Deep Bidirectional Transformers", NAACL 2019) on packed
// sequences, as the systems share it that stand on it: embeddings, blocks with their norms after the branches, pooler.
// Names in memory are Hugging Face's but for the fused projection of queries, keys and values, which `split_qkv`
// separates for files.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "io/config_fields.h"
#include "models/parts/block_names.h"
#include "nn/embedding.h"

namespace tessera {

struct BertConfig {
  int64_t vocab_size = 30522;
  int64_t hidden_size = 768;
  int64_t num_hidden_layers = 12;
  int64_t num_attention_heads = 12;
  int64_t intermediate_size = 3072;
  int64_t max_position_embeddings = 512;
  int64_t type_vocab_size = 2;
  double layer_norm_eps = 1e-12;
  double hidden_dropout_prob = 0.1, attention_probs_dropout_prob = 0.1;

  // From the fields that Hugging Face's configurations call so; those that are not given stay.
  void read(const ConfigFields& fields);
  // The same fields into a configuration to be written.
  void write(nlohmann::ordered_json& root) const;
  // Of a block; of one that reads the states of another, `state_size` is theirs.
  BlockOptions block(bool causal = false, int64_t state_size = 0) const;
};

// layer_norm(word + position + segment): [tokens, hidden].
struct BertEmbeddings {
  Embedding word_embeddings, position_embeddings, token_type_embeddings;
  LayerNorm layer_norm;
  double dropout = 0;

  BertEmbeddings() = default;
  explicit BertEmbeddings(const BertConfig& config);
  // i64 [tokens] each.
  Variable operator()(const Tensor& ids, const Tensor& positions, const Tensor& types,
                      const ForwardContext& context) const;
  // word_embeddings.weight, position_embeddings.weight, token_type_embeddings.weight, LayerNorm.*
  void visit(const std::string& prefix, const ParameterVisitor& visitor);
};

// encoder.layer.N.…, for visit_blocks.
const BlockNames& bert_block_names();

// Views of a state in memory under the names of files: "….self.qkv.weight" becomes "….self.query.weight", "….key.…" and
// "….value.…", and a projection "….self.key_value.…" of cross-attention its two. Writing into them writes into the
// originals.
std::map<std::string, Tensor> split_qkv(const std::map<std::string, Tensor>& state);

}  // namespace tessera
