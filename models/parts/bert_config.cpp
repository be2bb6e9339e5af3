#include "models/parts/bert.h"

namespace tessera {

void BertConfig::read(const ConfigFields& fields) {
  fields.read("vocab_size", vocab_size);
  fields.read("hidden_size", hidden_size);
  fields.read("num_hidden_layers", num_hidden_layers);
  fields.read("num_attention_heads", num_attention_heads);
  fields.read("intermediate_size", intermediate_size);
  fields.read("max_position_embeddings", max_position_embeddings);
  fields.read("type_vocab_size", type_vocab_size);
  fields.read("layer_norm_eps", layer_norm_eps);
  fields.read("hidden_dropout_prob", hidden_dropout_prob);
  fields.read("attention_probs_dropout_prob", attention_probs_dropout_prob);
}

void BertConfig::write(nlohmann::ordered_json& root) const {
  root["vocab_size"] = vocab_size;
  root["hidden_size"] = hidden_size;
  root["num_hidden_layers"] = num_hidden_layers;
  root["num_attention_heads"] = num_attention_heads;
  root["intermediate_size"] = intermediate_size;
  root["max_position_embeddings"] = max_position_embeddings;
  root["type_vocab_size"] = type_vocab_size;
  root["layer_norm_eps"] = layer_norm_eps;
  root["hidden_dropout_prob"] = hidden_dropout_prob;
  root["attention_probs_dropout_prob"] = attention_probs_dropout_prob;
}

}  // namespace tessera
