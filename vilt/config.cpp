#include "vilt/config.h"

#include <nlohmann/json.hpp>

#include "io/config_fields.h"
#include "io/files.h"
#include "io/printable.h"
#include "io/strict_json.h"
#include "tensor/error.h"

namespace tessera {
namespace {

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
  field("qkv_bias", c.qkv_bias);
  field("hidden_dropout_prob", c.hidden_dropout_prob);
  field("dropout_after_activation", c.dropout_after_activation);
  field("layer_norm_eps", c.layer_norm_eps);
  field("text_layer_norm_eps", c.text_layer_norm_eps);
  field("mlm_layer_norm_eps", c.mlm_layer_norm_eps);
  field("tie_word_embeddings", c.tie_word_embeddings);
}

}  // namespace

void ModelConfig::validate() const {
  const auto between = [](const char* name, int64_t value, int64_t least, int64_t most, const char* remark = "") {
    check(value >= least && value <= most, "config: ", name, " is ", value, ", expected ", least, " to ", most, remark);
  };
  // Far beyond any model that is known, and products of them do not overflow.
  constexpr int64_t kLargest = 1 << 20, kMostTokens = 1 << 30;
  between("vocab_size", vocab_size, 1, kMostTokens);
  between("hidden_size", hidden_size, 1, kLargest);
  between("num_hidden_layers", num_hidden_layers, 0, 10000);
  between("num_attention_heads", num_attention_heads, 1, kLargest);
  between("intermediate_size", intermediate_size, 1, kLargest);
  between("image_size", image_size, 1, kLargest);
  between("patch_size", patch_size, 1, 4096);
  between("type_vocab_size", type_vocab_size, 1, kLargest);
  between("modality_type_vocab_size", modality_type_vocab_size, 1, kLargest);
  between("max_position_embeddings", max_position_embeddings, 2, kLargest, " ([CLS] and [SEP] count)");
  check(hidden_size % num_attention_heads == 0, "config: hidden_size ", hidden_size, " is not a multiple of ",
        num_attention_heads, " attention heads");
  check(image_size >= patch_size, "config: image_size ", image_size, " is smaller than patch_size ", patch_size);
  check(hidden_dropout_prob >= 0 && hidden_dropout_prob < 1, "config: hidden_dropout_prob is ", hidden_dropout_prob,
        ", expected at least 0 and less than 1");
  check(attention_probs_dropout_prob >= 0 && attention_probs_dropout_prob < 1,
        "config: attention_probs_dropout_prob is ", attention_probs_dropout_prob,
        ", expected at least 0 and less than 1");
  const auto small = [](const char* name, double eps) {
    check(eps > 0 && eps < 1, "config: ", name, " is ", eps, ", expected more than 0 and less than 1");
  };
  small("layer_norm_eps", layer_norm_eps);
  small("text_layer_norm_eps", text_layer_norm_eps);
  small("mlm_layer_norm_eps", mlm_layer_norm_eps);
  between("num_images", num_images, 1, 16);
  check(!heads.classifier || !labels.empty(), "config: the classifier has no labels");
}

void ModelConfig::check_trainable() const {
  check(attention_probs_dropout_prob == 0, "config: attention_probs_dropout_prob is ", attention_probs_dropout_prob,
        "; there is no dropout of attention probabilities in training, set it to 0");
}

namespace {

// A classifier has at most so many labels (VQAv2 has 3,129): config.json is not trusted to ask for more memory.
constexpr size_t kMaxLabels = 1'000'000;

struct Architecture {
  const char* name;
  Heads heads;
};
const Architecture kArchitectures[] = {
    {"ViltForMaskedLM", {.masked_words = true}},
    {"ViltForQuestionAnswering", {.classifier = true}},
    {"ViltForImageAndTextRetrieval", {.rank = true}},
    {"ViltForImagesAndTextClassification", {.classifier = true}},
    {"ViltModel", {}},
};

// {"0": "no", "1": "yes"} → the labels in order of class.
std::vector<std::string> labels_in(const nlohmann::json& map, const std::string& origin) {
  check(map.is_object() && map.size() <= kMaxLabels, origin, ": the labels are not an object from class to label");
  std::vector<std::string> labels(map.size());
  for (size_t i = 0; i < labels.size(); ++i) {
    const auto found = map.find(std::to_string(i));
    check(found != map.end() && found->is_string(), origin, ": there are ", labels.size(),
          " labels, but none for class ", i);
    labels[i] = found->get<std::string>();
  }
  return labels;
}

// As transformers names them where a file says only how many there are.
std::vector<std::string> numbered_labels(const nlohmann::json& count, const std::string& origin) {
  check(count.is_number_unsigned() && count <= kMaxLabels, origin, ": field 'num_labels' has the value ", count.dump(),
        ", expected a number of labels");
  std::vector<std::string> labels;
  for (size_t i = 0; i < count.get<size_t>(); ++i) labels.push_back(text("LABEL_", i));
  return labels;
}

void read_architecture(ModelConfig& config, const nlohmann::json& root, const std::string& origin) {
  config.architecture.clear();
  const auto list = root.find("architectures");
  if (list != root.end() && list->is_array() && !list->empty()) {
    check((*list)[0].is_string(), origin, ": field 'architectures' has the value ", list->dump(),
          ", expected a list with the name of a class");
    config.architecture = (*list)[0].get<std::string>();
  }
  if (config.architecture == "ViLTPretraining") return;
  // Anything else is Hugging Face's, and has the defaults of its code.
  config.heads = {};
  config.dropout_after_activation = false;
  config.hidden_dropout_prob = 0;
  config.layer_norm_eps = config.text_layer_norm_eps = config.mlm_layer_norm_eps = 1e-12;
  for (const Architecture& known : kArchitectures)
    if (config.architecture == known.name) config.heads = known.heads;
  if (config.heads.classifier) config.labels = {"LABEL_0", "LABEL_1"};
  if (config.architecture == "ViltForImagesAndTextClassification") config.num_images = 2;
}

}  // namespace

ModelConfig ModelConfig::from_json(const std::string& source, const std::string& origin,
                                   const std::vector<std::string>& labels) {
  const nlohmann::json root = parse_strict_json(source, origin);
  const ConfigFields fields(root, origin);
  ModelConfig config;
  read_architecture(config, root, origin);
  const auto is_given = [&](const char* name) { return fields.given(name); };
  visit_fields(config, [&](const char* name, auto& value) { fields.read(name, value); });
  fields.read("attention_probs_dropout_prob", config.attention_probs_dropout_prob);
  // Files of Hugging Face have one eps for every LayerNorm of the backbone.
  if (is_given("layer_norm_eps")) {
    if (!is_given("text_layer_norm_eps")) config.text_layer_norm_eps = config.layer_norm_eps;
    if (!is_given("mlm_layer_norm_eps")) config.mlm_layer_norm_eps = config.layer_norm_eps;
  }
  // Written for transformers, which takes layer_norm_eps for all of them (hugging_face_config).
  fields.read("block_layer_norm_eps", config.layer_norm_eps);
  if (!labels.empty())
    config.labels = labels;
  else if (is_given("id2label"))
    config.labels = labels_in(root["id2label"], origin);
  else if (is_given("num_labels") && config.heads.classifier)
    config.labels = numbered_labels(root["num_labels"], origin);
  if (is_given("num_images") && root["num_images"].is_number_integer() && root["num_images"] > 0)
    config.num_images = root["num_images"].get<int64_t>();
  if (config.architecture == "ViLTPretraining") fields.read("masked_patches", config.heads.masked_patches);
  if (is_given("hidden_act"))
    check(root["hidden_act"] == "gelu", origin, ": field 'hidden_act' is ", root["hidden_act"].dump(),
          ", expected \"gelu\"");
  if (is_given("num_channels"))
    check(root["num_channels"] == 3, origin, ": field 'num_channels' is ", root["num_channels"].dump(), ", expected 3");
  config.validate();
  return config;
}

std::vector<std::string> labels_of_json(const std::string& object, const std::string& origin) {
  const nlohmann::json root = parse_strict_json(object, origin);
  return labels_in(root.is_object() && root.contains("id2label") ? root["id2label"] : root, origin);
}

ModelConfig ModelConfig::from_file(const std::filesystem::path& path, const std::vector<std::string>& labels) {
  constexpr uint64_t kLargestFile = uint64_t{64} << 20;  // thousands of labels are less than one
  const std::vector<uint8_t> bytes = read_file(path, kLargestFile);
  return from_json({bytes.begin(), bytes.end()}, shown(path), labels);
}

std::string ModelConfig::to_json() const {
  nlohmann::ordered_json root;
  visit_fields(*this, [&](const char* name, const auto& value) { root[name] = value; });
  root["model_type"] = "vilt";
  root["hidden_act"] = "gelu";
  if (!architecture.empty()) root["architectures"] = {architecture};
  if (attention_probs_dropout_prob > 0) root["attention_probs_dropout_prob"] = attention_probs_dropout_prob;
  if (heads.masked_patches) root["masked_patches"] = true;
  // Only that class has more than one unless it is told otherwise.
  const bool says_so = num_images > 1 || architecture == "ViltForImagesAndTextClassification";
  root["num_images"] = says_so ? num_images : -1;
  if (heads.classifier) {
    for (size_t i = 0; i < labels.size(); ++i) root["id2label"][std::to_string(i)] = labels[i];
    for (size_t i = 0; i < labels.size(); ++i) root["label2id"][labels[i]] = i;
  }
  return root.dump(2) + "\n";
}

}  // namespace tessera
