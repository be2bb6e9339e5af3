#include "io/weights/weight_file.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "io/files.h"
#include "io/printable.h"
#include "io/strict_json.h"
#include "io/torch_file.h"
#include "io/weights/shards.h"

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

void read_one(const fs::path& path, NamedTensors& tensors, WeightFile& out) {
  if (!is_torch(path)) {
    SafeTensors file = load_safetensors(path.string());
    tensors = std::move(file.tensors);
    out.converted.merge(file.converted);
    out.settings.merge(file.metadata);
    return;
  }
  TorchFile file = load_torch_file(path.string());
  tensors = std::move(file.tensors);
  out.converted.merge(file.converted);
  out.settings.merge(file.settings);
  for (std::string& line : file.report()) out.notes.push_back(std::move(line));
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

void read_shards(const fs::path& source, WeightFile& out) {
  const auto shards = shards_of(source);
  if (!is_index(source)) out.notes.push_back(text("assumed: no index; the files are the ", shards.size(), " shards"));
  for (const auto& [file, names] : shards) {
    const fs::path path = source.parent_path() / file;
    check(fs::exists(path), shown(source), ": the shard ", file, " is not there");
    NamedTensors tensors;
    read_one(path, tensors, out);
    for (const std::string& name : names)
      check(tensors.contains(name), shown(path), ": does not hold ", name, ", which the index expects there");
    for (auto& [name, tensor] : tensors)
      check(out.tensors.emplace(name, std::move(tensor)).second, shown(path), ": ", name, " is in another shard too");
  }
  out.format += text(", ", shards.size(), shards.size() == 1 ? " shard" : " shards");
}

void take_off_prefixes(WeightFile& weights, const NameTest& is_name) {
  const std::map<std::string, std::string> plain = plain_names(weights.tensors, weights.source, is_name);
  const std::string note = taken_off(plain);
  if (note.empty()) return;
  const auto rename = [&]<class Value>(std::map<std::string, Value>& names) {
    std::map<std::string, Value> out;
    for (auto& [name, value] : names) out.emplace(plain.at(name), std::move(value));
    names = std::move(out);
  };
  rename(weights.tensors);
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

WeightFile read_weight_file(const fs::path& path, const NameTest& is_name, const std::string& extra) {
  check(fs::exists(path), shown(path), ": no such file or directory");
  const fs::path file = find_file(path);
  WeightFile out;
  out.source = shown(file);
  const fs::path content = is_index(file) ? file.stem().stem() : file;  // model.bin.index.json → model.bin
  out.format = is_torch(content) ? "torch" : "safetensors";
  if (is_index(file) || is_shard(file))
    read_shards(file, out);
  else
    read_one(file, out.tensors, out);
  const fs::path beside = file.parent_path() / extra;
  if (!extra.empty() && fs::is_directory(path) && fs::exists(beside))
    for (auto& [name, tensor] : load_safetensors(beside.string()).tensors)
      check(out.tensors.emplace(name, tensor).second, shown(beside), ": ", name, " is in ", out.source, " too");
  take_off_prefixes(out, is_name);
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

}  // namespace tessera
