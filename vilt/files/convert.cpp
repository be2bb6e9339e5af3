#include "vilt/files/convert.h"

#include <nlohmann/json.hpp>

#include "data/text/tokenizer_json.h"
#include "data/text/vocabulary.h"
#include "io/files.h"
#include "io/new_folder.h"
#include "io/printable.h"
#include "io/safetensors.h"
#include "vilt/files/preprocessing.h"
#include "vilt/files/weights.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

bool belongs_to(const std::string& name, const std::string& architecture) {
  if (name == "vilt.embeddings.mask_token") return false;
  if (name.starts_with("vilt.")) return true;
  if (architecture == "ViltForMaskedLM") return name.starts_with("mlm_score.");
  if (architecture == "ViltForImageAndTextRetrieval") return name.starts_with("rank_output.");
  return architecture != "ViltModel" && name.starts_with("classifier.");
}

StateDict written_state(const LoadedModel& model, DType dtype) {
  StateDict out;
  for (const auto& [name, view] : file_views(model.parameters->state(), model.config))
    out.emplace(name, view.to(dtype).contiguous());
  return out;
}

bool has_one_eps(const ModelConfig& config) {
  return config.layer_norm_eps == config.text_layer_norm_eps && config.layer_norm_eps == config.mlm_layer_norm_eps;
}

// What a converted directory may hold. A folder with anything else is never replaced.
const char* const kFiles[] = {"config.json", "model.safetensors",    kExtraHeads, "preprocessor_config.json",
                              "vocab.txt",   "tokenizer_config.json"};

}  // namespace

std::string hugging_face_class(const ModelConfig& config) {
  if (config.heads.classifier)
    return config.num_images > 1 ? "ViltForImagesAndTextClassification" : "ViltForQuestionAnswering";
  if (config.heads.rank) return "ViltForImageAndTextRetrieval";
  return config.heads.masked_words ? "ViltForMaskedLM" : "ViltModel";
}

std::string hugging_face_config(const ModelConfig& c, DType dtype) {
  const std::string architecture = hugging_face_class(c);
  Json root;
  root["architectures"] = {architecture};
  root["attention_probs_dropout_prob"] = c.attention_probs_dropout_prob;
  root["dtype"] = dtype == DType::bf16 ? "bfloat16" : "float32";
  root["hidden_act"] = "gelu";
  root["hidden_dropout_prob"] = c.hidden_dropout_prob;
  root["hidden_size"] = c.hidden_size;
  if (c.heads.classifier)
    for (size_t i = 0; i < c.labels.size(); ++i) root["id2label"][std::to_string(i)] = c.labels[i];
  root["image_size"] = c.image_size;
  root["initializer_range"] = 0.02;
  root["intermediate_size"] = c.intermediate_size;
  if (c.heads.classifier)
    for (size_t i = 0; i < c.labels.size(); ++i) root["label2id"][c.labels[i]] = i;
  root["layer_norm_eps"] = c.text_layer_norm_eps;
  root["max_image_length"] = -1;
  root["max_position_embeddings"] = c.max_position_embeddings;
  root["modality_type_vocab_size"] = c.modality_type_vocab_size;
  root["model_type"] = "vilt";
  root["num_attention_heads"] = c.num_attention_heads;
  root["num_channels"] = 3;
  root["num_hidden_layers"] = c.num_hidden_layers;
  root["num_images"] = architecture == "ViltForImagesAndTextClassification" ? c.num_images : -1;
  root["patch_size"] = c.patch_size;
  root["qkv_bias"] = c.qkv_bias;
  root["tie_word_embeddings"] = true;  // transformers insists; the weights decide
  root["type_vocab_size"] = c.type_vocab_size;
  root["vocab_size"] = c.vocab_size;
  if (!has_one_eps(c)) {
    root["block_layer_norm_eps"] = c.layer_norm_eps;
    root["text_layer_norm_eps"] = c.text_layer_norm_eps;
    root["mlm_layer_norm_eps"] = c.mlm_layer_norm_eps;
  }
  if (c.dropout_after_activation) root["dropout_after_activation"] = true;
  return root.dump(2) + "\n";
}

std::vector<std::string> write_hugging_face(const LoadedModel& model, const fs::path& directory,
                                            const ConvertOptions& options) {
  const ModelConfig& config = model.config;
  const std::string architecture = hugging_face_class(config);
  NewFolder folder(directory, kFiles, options.replace);
  std::vector<std::string> remarks;
  StateDict own, extra;
  for (const auto& [name, tensor] : written_state(model, options.dtype))
    (belongs_to(name, architecture) ? own : extra).emplace(name, tensor);

  const fs::path& beside = folder.path();
  const std::map<std::string, std::string> metadata = {{"format", "pt"}};
  save_safetensors((beside / "model.safetensors").string(), hugging_face_names(own, architecture), metadata);
  if (!extra.empty()) {
    save_safetensors((beside / kExtraHeads).string(), extra, metadata);
    remarks.push_back(text(architecture, " has no place for ", extra.size(), " tensors (", extra.begin()->first,
                           ", …): they are in ", kExtraHeads, ", which `vilt` reads and transformers does not"));
  }
  write_file_atomically(beside / "config.json", hugging_face_config(config, options.dtype), Durability::power);
  write_file_atomically(beside / "preprocessor_config.json", preprocessing_json(model.preprocessing),
                        Durability::power);
  if (model.vocabulary) {
    write_vocabulary(beside / "vocab.txt", model.vocabulary->tokens());
    write_file_atomically(beside / "tokenizer_config.json",
                          tokenizer_config_json(model.vocabulary->normalisation(), config.max_position_embeddings),
                          Durability::power);
  } else {
    remarks.push_back("there is no vocab.txt: give one with --vocab, or put it there");
  }
  if (!has_one_eps(config))
    remarks.push_back(text("transformers knows one LayerNorm eps: it will use ", config.text_layer_norm_eps,
                           " where this model has ", config.layer_norm_eps,
                           " in its blocks; `vilt` goes on using the latter"));
  if (config.heads.masked_words && !config.tie_word_embeddings && architecture == "ViltForMaskedLM")
    remarks.push_back(
        "the masked-word decoder is not the word table: transformers 5 says so in a warning and uses both, as it "
        "should");
  folder.put_in_place();
  return remarks;
}

void write_authors(const LoadedModel& model, const fs::path& file, DType dtype) {
  check(file.extension() == ".safetensors", shown(file),
        ": the authors' names are written into one file, NAME.safetensors");
  const ModelConfig& config = model.config;
  save_safetensors(file.string(), authors_names(written_state(model, dtype), config),
                   {{"format", "pt"}, {"num_heads", std::to_string(config.num_attention_heads)}});
}

}  // namespace tessera
