// Weights as they are found on disk, in any of the formats that ViLT's are distributed in. Prefixes
// (vilt/files/prefixes.h) are taken off.
//
//   *.safetensors                     one file, or the shards that a *.safetensors.index.json names
//   pytorch_model.bin, *.ckpt, *.pt   torch's files (io/torch_file.h), or the shards of a *.bin.index.json
//   a directory                       model.safetensors, model.safetensors.index.json, pytorch_model.bin,
//                                     pytorch_model.bin.index.json, in this order, else shards without an index
//                                     (vilt/files/shards.h); extra_heads.safetensors besides
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

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

// True if `path` is a directory that holds weights, or a file whose name says that it does.
bool holds_weights(const std::filesystem::path& path);

// Errors name the file.
Weights read_weights(const std::filesystem::path& path);

// {"weight_map": {tensor: file}} → the files, each once, with the tensors that each must hold. File names with a folder
// in them are an error.
std::map<std::string, std::vector<std::string>> read_shard_index(const std::string& json, const std::string& source);

// The configuration that the tensors' shapes tell; what they cannot tell (the number of attention heads) is an error
// unless the file said it. The file's naming decides between the settings of the authors and of Hugging Face.
ModelConfig config_of(const Weights& weights);

// Fits a configuration to what the file holds: a masked-word decoder that is absent is tied to the word embeddings, and
// the matching head, which no class of Hugging Face has, is used where it is found. Where config.json names no class,
// the heads are those whose tensors there are. Adds a line to weights.notes for each.
ModelConfig adapt(ModelConfig config, Weights& weights);

}  // namespace tessera
