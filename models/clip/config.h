// CLIP's configuration: Hugging Face's JSON (model_type "clip"), or what OpenAI's state dicts tell by their shapes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "models/clip/modified_resnet.h"
#include "nn/mlp.h"

namespace tessera {

struct ClipTower {
  int64_t hidden_size = 512;
  int64_t intermediate_size = 2048;
  int64_t num_hidden_layers = 12;
  int64_t num_attention_heads = 8;
  Activation hidden_act = Activation::quick_gelu;
  double layer_norm_eps = 1e-5;
};

struct ClipConfig {
  ClipTower vision{.hidden_size = 768, .intermediate_size = 3072, .num_attention_heads = 12};
  ClipTower text;
  int64_t image_size = 224, patch_size = 32;
  int64_t vocab_size = 49408;
  int64_t max_position_embeddings = 77;  // tokens of a text, with those of its beginning and end
  // The token whose state stands for the text. 2, which older files wrongly have, means the largest id, as the
  // published code takes it; that is the end token where the vocabulary has none after it.
  int64_t eos_token_id = 49407;
  int64_t projection_dim = 512;  // of the space that both towers meet in
  double logit_scale_init_value = 2.6592;

  // The picture tower where it is a residual network; then `vision` and `patch_size` mean nothing. config.json has no
  // place for it: such models are published as state dicts alone.
  std::optional<ModifiedResNetOptions> resnet = std::nullopt;

  int64_t table_side() const { return image_size / patch_size; }

  // Throws an error that names the first field with an impossible value.
  void validate() const;
  // Unknown fields are ignored; a wrong type is an error that names file and field.
  static ClipConfig from_json(const std::string& text, const std::string& origin);
  static ClipConfig from_file(const std::filesystem::path& path);
  std::string to_json() const;
};

}  // namespace tessera
