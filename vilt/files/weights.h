// Weights of ViLT, in any of the formats that they are distributed in (io/weights/weight_file.h), with the heads that a
// converted directory of ours holds besides (extra_heads.safetensors).
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "io/weights/weight_file.h"
#include "vilt/files/names.h"

namespace tessera {

// Heads that Hugging Face's class has no place for lie in this file of a converted directory, under our names.
inline constexpr const char* kExtraHeads = "extra_heads.safetensors";

struct Weights {
  std::string source;                            // the file or index, for messages
  std::string format;                            // "safetensors", "safetensors, 3 shards", "torch"
  StateDict raw;                                 // as the file names them, without prefixes
  std::map<std::string, std::string> converted;  // of these, those of another type in the file → that type
  NamedState state;                              // under our names
  std::vector<std::string> notes;                // what was left out, accepted or assumed
  // Where the file says it: in a Lightning file's settings, in the metadata of a file of ours.
  std::optional<int64_t> attention_heads;
};

// Errors name the file.
Weights read_weights(const std::filesystem::path& path);

// The configuration that the tensors' shapes tell; what they cannot tell (the number of attention heads) is an error
// unless the file said it. The file's naming decides between the settings of the authors and of Hugging Face.
ModelConfig config_of(const Weights& weights);

// Fits a configuration to what the file holds: a masked-word decoder that is absent is tied to the word embeddings, and
// the matching head, which no class of Hugging Face has, is used where it is found. Where config.json names no class,
// the heads are those whose tensors there are. Adds a line to weights.notes for each.
ModelConfig adapt(ModelConfig config, Weights& weights);

}  // namespace tessera
