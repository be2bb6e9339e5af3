// A small CLIP with drawn weights, as a Hugging Face directory.
#pragma once

#include <filesystem>

#include "data/text/byte_alphabet.h"
#include "data/text/byte_pair_files.h"
#include "io/files.h"
#include "models/clip/load.h"
#include "nn/init.h"

namespace tessera::tests {

inline ClipConfig tiny_clip_config() {
  ClipConfig config;
  config.vision = {.hidden_size = 12, .intermediate_size = 20, .num_hidden_layers = 2, .num_attention_heads = 3};
  config.text = {.hidden_size = 8, .intermediate_size = 16, .num_hidden_layers = 2, .num_attention_heads = 2};
  config.image_size = 9;
  config.patch_size = 4;  // one pixel is left over
  config.vocab_size = 514;
  config.max_position_embeddings = 16;
  config.eos_token_id = 513;
  config.projection_dim = 6;
  return config;
}

// Every parameter is drawn, by its name.
inline void draw(Clip& model, uint64_t seed = 1) {
  model.visit("", [&](const std::string& name, Variable& parameter) {
    if (parameter.requires_grad() && parameter.shape().dim() > 0) init_normal_(parameter, name, seed, 0.3);
  });
}

// The byte tokens alone: no merges.
inline BytePairVocabulary byte_vocabulary() {
  return byte_pairs_from_merges("#version\n", "tiny", "<|startoftext|>", "<|endoftext|>");
}

inline void write_tiny_clip(const std::filesystem::path& folder) {
  Clip model(tiny_clip_config());
  draw(model);
  const ParameterSet parameters(model);
  save_safetensors((folder / "model.safetensors").string(), clip_file_views(parameters.state(), model.config));
  write_file_atomically(folder / "config.json", model.config.to_json());
  write_byte_pair_json(folder, byte_vocabulary());
}

}  // namespace tessera::tests
