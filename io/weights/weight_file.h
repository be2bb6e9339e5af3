// A model's weights as they are found on disk, whatever the model: the tensors by their names in the file, without what
// programs write before these (io/weights/prefixes.h).
//
//   *.safetensors                     one file, or the shards that a *.safetensors.index.json names
//   pytorch_model.bin, *.ckpt, *.pt   torch's files (io/torch_file.h), or the shards of a *.bin.index.json
//   a directory                       model.safetensors, model.safetensors.index.json, pytorch_model.bin,
//                                     pytorch_model.bin.index.json, in this order, else shards without an index
//                                     (io/weights/shards.h)
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "io/weights/prefixes.h"

namespace tessera {

struct WeightFile {
  std::string source;  // the file or index, for messages
  std::string format;  // "safetensors", "safetensors, 3 shards", "torch"
  NamedTensors tensors;
  std::map<std::string, std::string> converted;  // of these, those of another type in the file → that type
  std::map<std::string, std::string> settings;   // safetensors' metadata, or Lightning's settings (io/torch_file.h)
  std::vector<std::string> notes;                // lines for people: what was left out, accepted or assumed
};

// True if `path` is a directory that holds weights, or a file whose name says that it does.
bool holds_weights(const std::filesystem::path& path);

// `is_name`: the names that a file of this model may have, for what stands before them. `extra`: a safetensors file
// whose tensors are read too where it lies in a directory. Errors name the file.
WeightFile read_weight_file(const std::filesystem::path& path, const NameTest& is_name, const std::string& extra = "");

// {"weight_map": {tensor: file}} → the files, each once, with the tensors that each must hold. File names with a folder
// in them are an error.
std::map<std::string, std::vector<std::string>> read_shard_index(const std::string& json, const std::string& source);

}  // namespace tessera
