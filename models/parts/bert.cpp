#include "models/parts/bert.h"

#include "autograd/functions.h"

namespace tessera {
namespace {

// The rows of `fused` in equal parts under the names that stand in the place of its own.
void add_parts(std::map<std::string, Tensor>& out, const std::string& name, const std::string& fused,
               const std::vector<std::string>& parts, const Tensor& tensor) {
  const size_t at = name.find(fused);
  const int64_t rows = tensor.size(0) / static_cast<int64_t>(parts.size());
  for (size_t i = 0; i < parts.size(); ++i)
    out.emplace(name.substr(0, at) + parts[i] + name.substr(at + fused.size()),
                tensor.narrow(0, static_cast<int64_t>(i) * rows, rows));
}

}  // namespace

BlockOptions BertConfig::block(bool causal, int64_t state_size) const {
  return {.size = hidden_size,
          .heads = num_attention_heads,
          .hidden = intermediate_size,
          .norms = NormPlacement::after,
          .causal = causal,
          .state_size = state_size,
          .eps = layer_norm_eps,
          .dropout = hidden_dropout_prob,
          .attention_dropout = attention_probs_dropout_prob};
}

BertEmbeddings::BertEmbeddings(const BertConfig& config)
    : word_embeddings(config.vocab_size, config.hidden_size),
      position_embeddings(config.max_position_embeddings, config.hidden_size),
      token_type_embeddings(config.type_vocab_size, config.hidden_size),
      layer_norm(config.hidden_size, config.layer_norm_eps),
      dropout(config.hidden_dropout_prob) {}

Variable BertEmbeddings::operator()(const Tensor& ids, const Tensor& positions, const Tensor& types,
                                    const ForwardContext& context) const {
  const Variable sum = word_embeddings(ids) + position_embeddings(positions) + token_type_embeddings(types);
  const auto [p, ticket] = context.dropout(dropout);
  return tessera::dropout(layer_norm(sum), p, ticket);
}

void BertEmbeddings::visit(const std::string& prefix, const ParameterVisitor& visitor) {
  word_embeddings.visit(join_name(prefix, "word_embeddings"), visitor);
  position_embeddings.visit(join_name(prefix, "position_embeddings"), visitor);
  token_type_embeddings.visit(join_name(prefix, "token_type_embeddings"), visitor);
  layer_norm.visit(join_name(prefix, "LayerNorm"), visitor);
}

const BlockNames& bert_block_names() {
  static const BlockNames names{"encoder.layer.",
                                {{"attention_norm", "attention.output.LayerNorm"},
                                 {"attention.qkv", "attention.self.qkv"},
                                 {"attention.output", "attention.output.dense"},
                                 {"cross_norm", "crossattention.output.LayerNorm"},
                                 {"cross.query", "crossattention.self.query"},
                                 {"cross.key_value", "crossattention.self.key_value"},
                                 {"cross.output", "crossattention.output.dense"},
                                 {"mlp_norm", "output.LayerNorm"},
                                 {"mlp.fc1", "intermediate.dense"},
                                 {"mlp.fc2", "output.dense"}}};
  return names;
}

std::map<std::string, Tensor> split_qkv(const std::map<std::string, Tensor>& state) {
  std::map<std::string, Tensor> out;
  for (const auto& [name, tensor] : state) {
    if (name.find(".self.qkv.") != std::string::npos)
      add_parts(out, name, ".self.qkv.", {".self.query.", ".self.key.", ".self.value."}, tensor);
    else if (name.find(".self.key_value.") != std::string::npos)
      add_parts(out, name, ".self.key_value.", {".self.key.", ".self.value."}, tensor);
    else
      out.emplace(name, tensor);
  }
  return out;
}

}  // namespace tessera
