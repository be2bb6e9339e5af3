#include "models/clip/config.h"

#include <nlohmann/json.hpp>

#include "io/config_fields.h"
#include "io/files.h"
#include "io/printable.h"
#include "io/strict_json.h"
#include "tensor/error.h"

namespace tessera {
namespace {

using nlohmann::json;

struct ActivationName {
  Activation activation;
  const char* name;
};
constexpr ActivationName kActivations[] = {
    {Activation::quick_gelu, "quick_gelu"}, {Activation::gelu, "gelu"}, {Activation::relu, "relu"}};

// One list of all fields serves reading and writing.
template <class Tower, class Field>
void visit_tower(Tower& tower, Field&& field) {
  field("hidden_size", tower.hidden_size);
  field("intermediate_size", tower.intermediate_size);
  field("num_hidden_layers", tower.num_hidden_layers);
  field("num_attention_heads", tower.num_attention_heads);
  field("layer_norm_eps", tower.layer_norm_eps);
}
template <class Config, class Field>
void visit_vision(Config& config, Field&& field) {
  visit_tower(config.vision, field);
  field("image_size", config.image_size);
  field("patch_size", config.patch_size);
}
template <class Config, class Field>
void visit_text(Config& config, Field&& field) {
  visit_tower(config.text, field);
  field("vocab_size", config.vocab_size);
  field("max_position_embeddings", config.max_position_embeddings);
  field("eos_token_id", config.eos_token_id);
}

Activation activation_of(const std::string& name, const std::string& origin) {
  for (const ActivationName& known : kActivations)
    if (name == known.name) return known.activation;
  fail(origin, ": field 'hidden_act' is ", quoted_text(name), ", expected \"quick_gelu\", \"gelu\" or \"relu\"");
}

const char* name_of(Activation activation) {
  for (const ActivationName& known : kActivations)
    if (activation == known.activation) return known.name;
  return "";
}

void validate_tower(const char* which, const ClipTower& tower) {
  constexpr int64_t kLargest = 1 << 20;
  const auto between = [&](const char* name, int64_t value, int64_t least, int64_t most) {
    check(value >= least && value <= most, "config: ", which, '.', name, " is ", value, ", expected ", least, " to ",
          most);
  };
  between("hidden_size", tower.hidden_size, 1, kLargest);
  between("intermediate_size", tower.intermediate_size, 1, kLargest);
  between("num_hidden_layers", tower.num_hidden_layers, 0, 10000);
  between("num_attention_heads", tower.num_attention_heads, 1, kLargest);
  check(tower.hidden_size % tower.num_attention_heads == 0, "config: ", which, ".hidden_size ", tower.hidden_size,
        " is not a multiple of ", tower.num_attention_heads, " attention heads");
  check(tower.layer_norm_eps > 0 && tower.layer_norm_eps < 1, "config: ", which, ".layer_norm_eps is ",
        tower.layer_norm_eps, ", expected more than 0 and less than 1");
}

}  // namespace

void ClipConfig::validate() const {
  validate_tower("vision_config", vision);
  validate_tower("text_config", text);
  constexpr int64_t kLargest = 1 << 20, kMostTokens = 1 << 30;
  const auto between = [](const char* name, int64_t value, int64_t least, int64_t most) {
    check(value >= least && value <= most, "config: ", name, " is ", value, ", expected ", least, " to ", most);
  };
  between("vision_config.image_size", image_size, 1, kLargest);
  between("vision_config.patch_size", patch_size, 1, 4096);
  check(image_size >= patch_size, "config: vision_config.image_size ", image_size, " is smaller than its patch_size ",
        patch_size);
  between("text_config.vocab_size", vocab_size, 1, kMostTokens);
  between("text_config.max_position_embeddings", max_position_embeddings, 2, kLargest);
  between("text_config.eos_token_id", eos_token_id, 0, kMostTokens);
  between("projection_dim", projection_dim, 1, kLargest);
}

ClipConfig ClipConfig::from_json(const std::string& source, const std::string& origin) {
  const json root = parse_strict_json(source, origin);
  const ConfigFields fields(root, origin);
  std::string type = "clip";
  fields.read("model_type", type);
  check(type == "clip", origin, ": field 'model_type' is ", quoted_text(type), ", expected \"clip\"");
  ClipConfig config;
  const auto read = [&](const char* part, ClipTower& tower, const auto& visit) {
    if (!fields.given(part)) return;
    const ConfigFields own(root.at(part), origin, std::string(part) + ".");
    visit(own);
    std::string activation = name_of(tower.hidden_act);
    own.read("hidden_act", activation);
    tower.hidden_act = activation_of(activation, origin);
  };
  const auto into = [](const ConfigFields& own) {
    return [&own](const char* name, auto& value) { own.read(name, value); };
  };
  read("vision_config", config.vision, [&](const ConfigFields& own) { visit_vision(config, into(own)); });
  read("text_config", config.text, [&](const ConfigFields& own) { visit_text(config, into(own)); });
  fields.read("projection_dim", config.projection_dim);
  fields.read("logit_scale_init_value", config.logit_scale_init_value);
  try {
    config.validate();
  } catch (const Error& error) {
    fail(origin, ": ", error.what());
  }
  return config;
}

ClipConfig ClipConfig::from_file(const std::filesystem::path& path) {
  constexpr uint64_t kLargestFile = uint64_t{16} << 20;
  const std::vector<uint8_t> bytes = read_file(path, kLargestFile);
  return from_json({bytes.begin(), bytes.end()}, shown(path));
}

std::string ClipConfig::to_json() const {
  nlohmann::ordered_json root;
  root["model_type"] = "clip";
  root["architectures"] = {"CLIPModel"};
  root["projection_dim"] = projection_dim;
  root["logit_scale_init_value"] = logit_scale_init_value;
  const auto into = [](nlohmann::ordered_json& part) {
    return [&part](const char* name, const auto& value) { part[name] = value; };
  };
  nlohmann::ordered_json &images = root["vision_config"], &texts = root["text_config"];
  visit_vision(*this, into(images));
  images["hidden_act"] = name_of(vision.hidden_act);
  images["model_type"] = "clip_vision_model";
  visit_text(*this, into(texts));
  texts["hidden_act"] = name_of(text.hidden_act);
  texts["model_type"] = "clip_text_model";
  return root.dump(2) + "\n";
}

}  // namespace tessera
