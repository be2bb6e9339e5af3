#include "models/uniter/config.h"

#include <nlohmann/json.hpp>

#include "io/config_fields.h"
#include "io/strict_json.h"
#include "tensor/error.h"

namespace tessera {

void UniterConfig::validate() const {
  constexpr int64_t kLargest = 1 << 20, kMostTokens = 1 << 30;
  const auto between = [](const char* name, int64_t value, int64_t least, int64_t most) {
    check(value >= least && value <= most, "uniter: ", name, " is ", value, ", expected ", least, " to ", most);
  };
  between("vocab_size", bert.vocab_size, 1, kMostTokens);
  between("hidden_size", bert.hidden_size, 1, kLargest);
  between("num_hidden_layers", bert.num_hidden_layers, 0, 10000);
  between("num_attention_heads", bert.num_attention_heads, 1, kLargest);
  check(bert.hidden_size % bert.num_attention_heads == 0, "uniter: hidden_size ", bert.hidden_size,
        " is not a multiple of ", bert.num_attention_heads, " attention heads");
  between("intermediate_size", bert.intermediate_size, 1, kLargest);
  between("max_position_embeddings", bert.max_position_embeddings, 1, kLargest);
  between("type_vocab_size", bert.type_vocab_size, 2, kLargest);
  between("img_dim", img_dim, 1, kLargest);
  between("img_label_dim", img_label_dim, 2, kLargest);
  between("num_answers", num_answers, 1, kLargest);
  check(bert.layer_norm_eps > 0 && bert.layer_norm_eps < 1, "uniter: layer_norm_eps is ", bert.layer_norm_eps,
        ", expected more than 0 and less than 1");
  for (const double rate : {bert.hidden_dropout_prob, bert.attention_probs_dropout_prob})
    check(rate >= 0 && rate < 1, "uniter: a dropout is ", rate, ", expected at least 0 and less than 1");
}

UniterConfig UniterConfig::from_json(const std::string& source, const std::string& origin) {
  const nlohmann::json root = parse_strict_json(source, origin);
  const ConfigFields fields(root, origin);
  UniterConfig out;
  out.bert.read(fields);
  fields.read("img_dim", out.img_dim);
  fields.read("img_label_dim", out.img_label_dim);
  fields.read("num_answers", out.num_answers);
  try {
    out.validate();
  } catch (const Error& error) {
    fail(origin, ": ", error.what());
  }
  return out;
}

std::string UniterConfig::to_json() const {
  nlohmann::ordered_json root;
  root["model_type"] = "uniter";
  bert.write(root);
  root["hidden_act"] = "gelu";
  root["img_dim"] = img_dim;
  root["img_label_dim"] = img_label_dim;
  root["num_answers"] = num_answers;
  return root.dump(2) + "\n";
}

}  // namespace tessera
