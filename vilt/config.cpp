#include "vilt/config.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tensor/error.h"

namespace tessera {
namespace {

using nlohmann::json;

// One list of all fields serves reading and writing.
template <class Config, class Field>
void visit_fields(Config& c, Field&& field) {
  field("vocab_size", c.vocab_size);
  field("hidden_size", c.hidden_size);
  field("num_hidden_layers", c.num_hidden_layers);
  field("num_attention_heads", c.num_attention_heads);
  field("intermediate_size", c.intermediate_size);
  field("image_size", c.image_size);
  field("patch_size", c.patch_size);
  field("max_position_embeddings", c.max_position_embeddings);
  field("type_vocab_size", c.type_vocab_size);
  field("modality_type_vocab_size", c.modality_type_vocab_size);
  field("hidden_dropout_prob", c.hidden_dropout_prob);
  field("layer_norm_eps", c.layer_norm_eps);
  field("text_layer_norm_eps", c.text_layer_norm_eps);
  field("mlm_layer_norm_eps", c.mlm_layer_norm_eps);
  field("tie_word_embeddings", c.tie_word_embeddings);
}

bool fits(const json& value, int64_t) { return value.is_number_integer(); }
bool fits(const json& value, double) { return value.is_number(); }
bool fits(const json& value, bool) { return value.is_boolean(); }

}  // namespace

void ModelConfig::validate() const {
  const auto positive = [](const char* name, int64_t value) {
    check(value > 0 && value < (int64_t{1} << 31), "config: ", name, " is ", value, ", expected a positive number");
  };
  positive("vocab_size", vocab_size);
  positive("hidden_size", hidden_size);
  check(num_hidden_layers >= 0 && num_hidden_layers <= 10000, "config: num_hidden_layers is ", num_hidden_layers);
  positive("num_attention_heads", num_attention_heads);
  positive("intermediate_size", intermediate_size);
  positive("image_size", image_size);
  positive("patch_size", patch_size);
  check(patch_size <= 4096, "config: patch_size is ", patch_size, ", expected at most 4096");
  positive("type_vocab_size", type_vocab_size);
  positive("modality_type_vocab_size", modality_type_vocab_size);
  check(max_position_embeddings >= 2, "config: max_position_embeddings is ", max_position_embeddings,
        ", expected at least 2 ([CLS] and [SEP])");
  check(hidden_size % num_attention_heads == 0, "config: hidden_size ", hidden_size, " is not a multiple of ",
        num_attention_heads, " attention heads");
  check(image_size >= patch_size, "config: image_size ", image_size, " is smaller than patch_size ", patch_size);
  check(hidden_dropout_prob >= 0 && hidden_dropout_prob < 1, "config: hidden_dropout_prob is ", hidden_dropout_prob,
        ", expected at least 0 and less than 1");
  const auto small = [](const char* name, double eps) {
    check(eps > 0 && eps < 1, "config: ", name, " is ", eps, ", expected more than 0 and less than 1");
  };
  small("layer_norm_eps", layer_norm_eps);
  small("text_layer_norm_eps", text_layer_norm_eps);
  small("mlm_layer_norm_eps", mlm_layer_norm_eps);
}

ModelConfig ModelConfig::from_json(const std::string& source, const std::string& origin) {
  const json root = json::parse(source, nullptr, false);
  check(root.is_object(), origin, ": not a JSON object");
  ModelConfig config;
  visit_fields(config, [&](const char* name, auto& value) {
    const auto found = root.find(name);
    if (found == root.end() || found->is_null()) return;
    check(fits(*found, value), origin, ": field '", name, "' has the value ", found->dump());
    value = found->get<std::decay_t<decltype(value)>>();
  });
  // Files of Hugging Face have one eps for every LayerNorm of the backbone.
  const auto is_given = [&](const char* name) { return root.contains(name) && !root[name].is_null(); };
  if (is_given("layer_norm_eps")) {
    if (!is_given("text_layer_norm_eps")) config.text_layer_norm_eps = config.layer_norm_eps;
    if (!is_given("mlm_layer_norm_eps")) config.mlm_layer_norm_eps = config.layer_norm_eps;
  }
  config.validate();
  return config;
}

ModelConfig ModelConfig::from_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  check(in.good(), path.string(), ": cannot be opened");
  std::ostringstream contents;
  contents << in.rdbuf();
  return from_json(contents.str(), path.string());
}

std::string ModelConfig::to_json() const {
  nlohmann::ordered_json root;
  visit_fields(*this, [&](const char* name, const auto& value) { root[name] = value; });
  root["model_type"] = "vilt";
  root["hidden_act"] = "gelu";
  root["qkv_bias"] = true;
  root["architectures"] = {"ViLTPretraining"};
  return root.dump(2) + "\n";
}

}  // namespace tessera
