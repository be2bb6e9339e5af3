// Files that a model was cut into, known by their names: model-00001-of-00003.safetensors and the like, as
// save_pretrained writes them. With all of them there the index beside them says nothing new.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace tessera {

bool is_shard(const std::filesystem::path& file);
// A shard in this folder, safetensors before torch's; nothing if there is none. Shards of several models are an error.
std::optional<std::filesystem::path> find_shard(const std::filesystem::path& folder);
// The names of all shards of the model that this is the name of one of.
std::vector<std::string> shards_beside(const std::string& name);

}  // namespace tessera
