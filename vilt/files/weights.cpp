#include "vilt/files/weights.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "io/files.h"
#include "io/printable.h"
#include "io/safetensors.h"
#include "io/strict_json.h"
#include "io/torch_file.h"
#include "vilt/files/prefixes.h"
#include "vilt/files/shards.h"
#include "vilt/heads.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

const char* const kPlaces[] = {"model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
                               "pytorch_model.bin.index.json"};

bool is_index(const fs::path& path) { return path.filename().string().ends_with(".index.json"); }
bool is_torch(const fs::path& path) {
  const std::string extension = path.extension().string();
  return extension == ".bin" || extension == ".ckpt" || extension == ".pt" || extension == ".pth";
}

fs::path find_file(const fs::path& path) {
  if (!fs::is_directory(path)) return path;
  for (const char* place : kPlaces)
    if (fs::exists(path / place)) return path / place;
  if (const auto shard = find_shard(path)) return *shard;
  fail(shown(path), ": holds no weights: neither ", kPlaces[0], " nor ", kPlaces[1], ", ", kPlaces[2], " or ",
       kPlaces[3]);
}

// A small number from a file's settings; nothing if it is none.
std::optional<int64_t> heads_in(const std::map<std::string, std::string>& settings, const std::string& key) {
  const auto found = settings.find(key);
  if (found == settings.end() || found->second.empty() || found->second.size() > 6) return std::nullopt;
  if (found->second.find_first_not_of("0123456789") != std::string::npos || found->second == "0") return std::nullopt;
  return std::stoll(found->second);
}

void read_one(const fs::path& path, StateDict& tensors, Weights& out) {
  if (!is_torch(path)) {
    SafeTensors file = load_safetensors(path.string());
    tensors = std::move(file.tensors);
    out.converted.merge(file.converted);
    if (const auto heads = heads_in(file.metadata, "num_heads")) out.attention_heads = heads;  // of write_authors
    return;
  }
  TorchFile file = load_torch_file(path.string());
  tensors = std::move(file.tensors);
  out.converted.merge(file.converted);
  for (std::string& line : file.report()) out.notes.push_back(std::move(line));
  for (const char* key : {"num_heads", "config.num_heads"})
    if (const auto heads = heads_in(file.settings, key)) out.attention_heads = heads;
}

// The shards of an index, or those that their own names say belong to `file`, which is one of them.
std::map<std::string, std::vector<std::string>> shards_of(const fs::path& file) {
  std::map<std::string, std::vector<std::string>> shards;
  if (is_index(file)) {
    const std::vector<uint8_t> bytes = read_file(file);
    shards = read_shard_index({bytes.begin(), bytes.end()}, shown(file));
  } else {
    for (std::string& name : shards_beside(file.filename().string())) shards[std::move(name)];
  }
  return shards;
}

void read_shards(const fs::path& source, Weights& out) {
  const auto shards = shards_of(source);
  if (!is_index(source)) out.notes.push_back(text("assumed: no index; the files are the ", shards.size(), " shards"));
  for (const auto& [file, names] : shards) {
    const fs::path path = source.parent_path() / file;
    check(fs::exists(path), shown(source), ": the shard ", file, " is not there");
    StateDict tensors;
    read_one(path, tensors, out);
    for (const std::string& name : names)
      check(tensors.contains(name), shown(path), ": does not hold ", name, ", which the index expects there");
    for (auto& [name, tensor] : tensors)
      check(out.raw.emplace(name, std::move(tensor)).second, shown(path), ": ", name, " is in another shard too");
  }
  out.format += text(", ", shards.size(), shards.size() == 1 ? " shard" : " shards");
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

void take_off_prefixes(Weights& weights) {
  const std::map<std::string, std::string> plain = plain_names(weights.raw, weights.source);
  const std::string note = taken_off(plain);
  if (note.empty()) return;
  const auto rename = [&]<class Value>(std::map<std::string, Value>& names) {
    std::map<std::string, Value> out;
    for (auto& [name, value] : names) out.emplace(plain.at(name), std::move(value));
    names = std::move(out);
  };
  rename(weights.raw);
  rename(weights.converted);
  weights.notes.push_back(note);
}

}  // namespace

bool holds_weights(const fs::path& path) {
  if (fs::is_directory(path))
    return std::any_of(std::begin(kPlaces), std::end(kPlaces),
                       [&](const char* place) { return fs::exists(path / place); }) ||
           find_shard(path);
  return is_torch(path) || is_index(path) || path.extension() == ".safetensors";
}

Weights read_weights(const fs::path& path) {
  check(fs::exists(path), shown(path), ": no such file or directory");
  const fs::path file = find_file(path);
  Weights out;
  out.source = shown(file);
  const fs::path content = is_index(file) ? file.stem().stem() : file;  // model.bin.index.json → model.bin
  out.format = is_torch(content) ? "torch" : "safetensors";
  if (is_index(file) || is_shard(file))
    read_shards(file, out);
  else
    read_one(file, out.raw, out);
  const fs::path extra = file.parent_path() / kExtraHeads;
  if (fs::is_directory(path) && fs::exists(extra))
    for (auto& [name, tensor] : load_safetensors(extra.string()).tensors)
      check(out.raw.emplace(name, tensor).second, shown(extra), ": ", name, " is in ", out.source, " too");
  take_off_prefixes(out);
  out.state = our_names(out.raw, out.source);
  std::move(out.state.notes.begin(), out.state.notes.end(), std::back_inserter(out.notes));
  return out;
}

std::map<std::string, std::vector<std::string>> read_shard_index(const std::string& source_json,
                                                                 const std::string& source) {
  const nlohmann::json root = parse_strict_json(source_json, source);
  check(root.is_object() && root.contains("weight_map") && root["weight_map"].is_object(), source,
        ": not an index of shards: an object with a 'weight_map' from tensor to file is expected");
  std::map<std::string, std::vector<std::string>> shards;
  for (const auto& [name, file] : root["weight_map"].items()) {
    check(file.is_string(), source, ": the file of ", name, " is ", file.dump());
    const std::string shard = file.get<std::string>();
    const bool plain =
        !shard.empty() && shard != "." && shard != ".." && shard.find_first_of(std::string("/\\\0", 3)) == shard.npos;
    check(plain && !is_index(shard), source, ": the file of ", name, " is ", file.dump(),
          ", expected a name without folders");
    shards[shard].push_back(name);
  }
  check(!shards.empty(), source, ": the weight_map is empty");
  return shards;
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
