// The model's configuration: JSON with Hugging Face's field names, and a few fields of our own for what differs
// between the authors' code and Hugging Face's.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace tessera {

// The heads that a model has. Which losses train is another matter (vilt/objectives.h).
struct Heads {
  bool masked_words = false;    // mlm_score: restores hidden words
  bool matching = false;        // itm_score: does the text belong to the image
  bool classifier = false;      // classifier: answers (one image) or statements about a pair of images
  bool rank = false;            // rank_output: one score for each text and image
  bool masked_patches = false;  // mpp_score: restores the colours of hidden patches

  bool operator==(const Heads&) const = default;
  static Heads pretraining() { return {.masked_words = true, .matching = true}; }
};

struct ModelConfig {
  int64_t vocab_size = 30522;
  int64_t hidden_size = 768;
  int64_t num_hidden_layers = 12;
  int64_t num_attention_heads = 12;
  int64_t intermediate_size = 3072;
  int64_t image_size = 384;  // side of the square that the image position embeddings cover, in pixels
  int64_t patch_size = 32;
  int64_t max_position_embeddings = 40;  // text tokens including [CLS] and [SEP]
  int64_t type_vocab_size = 2;           // text segments
  int64_t modality_type_vocab_size = 2;  // 3 for pairs of images
  bool qkv_bias = true;
  double hidden_dropout_prob = 0.1;      // of each branch of a block and of the embeddings
  bool dropout_after_activation = true;  // also after the GELU of a block: the authors' code, not Hugging Face's
  // Of attention probabilities: 0 in all published ViLT. Kept for what uses the weights; training with more is an
  // error.
  double attention_probs_dropout_prob = 0;
  double layer_norm_eps = 1e-6;        // blocks and final LayerNorm
  double text_layer_norm_eps = 1e-12;  // text embedding
  double mlm_layer_norm_eps = 1e-12;   // masked-word and masked-patch heads
  bool tie_word_embeddings = false;    // the masked-word decoder is the word table
  // The class that the heads make up; empty where config.json does not say, and the file's tensors have to.
  std::string architecture = "ViLTPretraining";
  Heads heads = Heads::pretraining();
  int64_t num_images = 1;                // that the classifier looks at: 2 for a pair
  std::vector<std::string> labels = {};  // of the classifier, by class (id2label)

  int64_t head_size() const { return hidden_size / num_attention_heads; }
  int table_side() const { return static_cast<int>(image_size / patch_size); }
  int64_t patch_values() const { return 3 * patch_size * patch_size; }

  int64_t num_labels() const { return static_cast<int64_t>(labels.size()); }

  // Throws an error that names the first field with an impossible value.
  void validate() const;
  // Throws where the configuration asks for something that training cannot do.
  void check_trainable() const;
  // Unknown fields are ignored (Hugging Face writes many); a wrong type is an error that names file and field. What the
  // authors' code and Hugging Face's do differently follows from the architecture, unless a field says it.
  // `labels`, where given, take the place of the file's, which are not looked at.
  static ModelConfig from_json(const std::string& text, const std::string& origin,
                               const std::vector<std::string>& labels = {});
  static ModelConfig from_file(const std::filesystem::path& path, const std::vector<std::string>& labels = {});
  std::string to_json() const;
};

// An object from class to label, {"0": "no", "1": "yes"}, as labels by class. Errors begin with `origin`.
std::vector<std::string> labels_of_json(const std::string& object, const std::string& origin);

}  // namespace tessera
