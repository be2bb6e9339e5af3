#include "vilt/files/weights.h"

#include <algorithm>

#include "tensor/error.h"
#include "vilt/heads.h"

namespace tessera {
namespace {

// A small number from a file's settings; nothing if it is none.
std::optional<int64_t> heads_in(const std::map<std::string, std::string>& settings, const std::string& key) {
  const auto found = settings.find(key);
  if (found == settings.end() || found->second.empty() || found->second.size() > 6) return std::nullopt;
  if (found->second.find_first_not_of("0123456789") != std::string::npos || found->second == "0") return std::nullopt;
  return std::stoll(found->second);
}

// The size of one dimension of a tensor, or an error that says what is missing.
class Shapes {
 public:
  explicit Shapes(const Weights& weights) : weights_(weights) {}
  int64_t size(const std::string& name, int dim, int dimension) const {
    const auto found = weights_.state.tensors.find(name);
    check(found != weights_.state.tensors.end(), weights_.source, ": no configuration can be derived: there is no ",
          name, some_names());
    // Without elements a size may be any number, and memory would be taken for it.
    check(found->second.dim() == dim && found->second.numel() > 0, weights_.source,
          ": no configuration can be derived: ", name, " is ", found->second.shape());
    return found->second.size(dimension);
  }
  bool has(const std::string& name) const { return weights_.state.tensors.contains(name); }

 private:
  // For a file that holds something else, or ViLT under a prefix of its own.
  std::string some_names() const {
    if (weights_.state.naming != Naming::other) return "";
    std::string out = "; the file's names are ";
    int shown = 0;
    for (const auto& entry : weights_.raw) {
      if (shown == 3) return out + ", …";
      out += (shown++ == 0 ? "" : ", ") + entry.first;
    }
    return out;
  }

  const Weights& weights_;
};

Heads heads_of(const StateDict& tensors) {
  const auto begins = [&](const std::string& prefix) {
    const auto found = tensors.lower_bound(prefix);
    return found != tensors.end() && found->first.starts_with(prefix);
  };
  Heads out;
  for (const HeadInfo& head : head_table()) out.*head.present = begins(head.prefix);
  return out;
}

std::vector<std::string> numbered_labels(int64_t count) {
  std::vector<std::string> labels;
  for (int64_t i = 0; i < count; ++i) labels.push_back("LABEL_" + std::to_string(i));
  return labels;
}

}  // namespace

Weights read_weights(const std::filesystem::path& path) {
  WeightFile file = read_weight_file(path, is_vilt_name, kExtraHeads);
  Weights out;
  out.source = std::move(file.source);
  out.format = std::move(file.format);
  out.raw = std::move(file.tensors);
  out.converted = std::move(file.converted);
  out.notes = std::move(file.notes);
  // The first is that of write_authors, the second of Lightning's files.
  for (const char* key : {"num_heads", "config.num_heads"})
    if (const auto heads = heads_in(file.settings, key)) out.attention_heads = heads;
  out.state = our_names(out.raw, out.source);
  std::move(out.state.notes.begin(), out.state.notes.end(), std::back_inserter(out.notes));
  return out;
}

ModelConfig config_of(const Weights& weights) {
  const Shapes shapes(weights);
  const StateDict& tensors = weights.state.tensors;
  const std::string embeddings = "vilt.embeddings.";
  ModelConfig config;
  config.architecture.clear();
  config.heads = heads_of(tensors);
  config.vocab_size = shapes.size(embeddings + "text_embeddings.word_embeddings.weight", 2, 0);
  config.hidden_size = shapes.size(embeddings + "text_embeddings.word_embeddings.weight", 2, 1);
  config.max_position_embeddings = shapes.size(embeddings + "text_embeddings.position_embeddings.weight", 2, 0);
  config.type_vocab_size = shapes.size(embeddings + "text_embeddings.token_type_embeddings.weight", 2, 0);
  config.modality_type_vocab_size = shapes.size(embeddings + "token_type_embeddings.weight", 2, 0);
  config.patch_size = shapes.size(embeddings + "patch_embeddings.projection.weight", 4, 3);
  const int64_t places = shapes.size(embeddings + "position_embeddings", 3, 1) - 1;
  int64_t side = 1;
  while ((side + 1) * (side + 1) <= places) ++side;
  check(side * side == places, weights.source, ": ", places, " image positions are not a square");
  config.image_size = side * config.patch_size;
  const std::string layer = "vilt.encoder.layer.";
  config.num_hidden_layers = 0;
  while (shapes.has(layer + std::to_string(config.num_hidden_layers) + ".intermediate.dense.weight"))
    ++config.num_hidden_layers;
  check(config.num_hidden_layers > 0, weights.source,
        ": no configuration can be derived: there are no transformer blocks");
  config.intermediate_size = shapes.size(layer + "0.intermediate.dense.weight", 2, 0);
  config.qkv_bias = shapes.has(layer + "0.attention.attention.query.bias");
  if (config.heads.classifier) {
    config.num_images = shapes.size("classifier.0.weight", 2, 1) / config.hidden_size;
    config.labels = numbered_labels(shapes.size("classifier.3.weight", 2, 0));
  }
  if (weights.state.naming != Naming::authors) {
    config.layer_norm_eps = config.text_layer_norm_eps = config.mlm_layer_norm_eps = 1e-12;
    config.hidden_dropout_prob = 0;
    config.dropout_after_activation = false;
  }
  // All published ViLT have heads of 64 channels; that is no reason to guess for others.
  check(weights.attention_heads || config.hidden_size == 768, weights.source,
        ": the file does not say how many attention heads the model has, and its tensors cannot: give its config.json "
        "(--config) or the number (--attention-heads; in training model.num_attention_heads)");
  config.num_attention_heads = weights.attention_heads.value_or(12);
  config.validate();
  return config;
}

ModelConfig adapt(ModelConfig config, Weights& weights) {
  const StateDict& tensors = weights.state.tensors;
  const Heads found = heads_of(tensors);
  if (config.architecture.empty()) {
    config.heads = found;
    if (found.classifier && config.labels.empty()) {
      const auto output = tensors.find("classifier.3.weight");
      const bool has_rows = output != tensors.end() && output->second.dim() == 2 && output->second.numel() > 0;
      config.labels = numbered_labels(has_rows ? output->second.size(0) : 2);
    }
  } else if (found.matching && !config.heads.matching) {
    config.heads.matching = true;
    // Fine-tuning for retrieval keeps it beside its own.
    if (!found.rank)
      weights.notes.push_back("used: the matching head (itm_score.fc), which " + config.architecture +
                              " does not have");
  }
  if (found.masked_patches && !config.heads.masked_patches) config.heads.masked_patches = true;
  if (!config.heads.masked_patches && weights.state.tensors.erase("vilt.embeddings.mask_token") > 0)
    weights.notes.push_back("ignored: the mask token of patches (mask_token); there is no head for masked patches");
  if (config.attention_probs_dropout_prob > 0)
    weights.notes.push_back(text("noted: attention_probs_dropout_prob is ", config.attention_probs_dropout_prob,
                                 "; it has no effect outside training, and training with it is an error"));
  if (weights.state.pair_classifier && config.num_images < 2) config.num_images = 2;
  if (config.heads.masked_words) {
    const bool has_decoder = tensors.contains("mlm_score.decoder.weight");
    if (!has_decoder && !config.tie_word_embeddings)
      weights.notes.push_back("assumed: mlm_score.decoder.weight is not in the file, so it is the word embeddings");
    config.tie_word_embeddings = !has_decoder;
  }
  return config;
}

}  // namespace tessera
