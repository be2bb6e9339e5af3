#include "io/weights/shards.h"

#include <set>

#include "io/printable.h"
#include "tensor/error.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

constexpr size_t kDigits = 5;

// "model-", "00003", ".safetensors" of model-00002-of-00003.safetensors.
struct ShardName {
  std::string stem, count, extension;
  auto operator<=>(const ShardName&) const = default;
};

std::optional<ShardName> parse(const fs::path& file) {
  const std::string extension = file.extension().string(), stem = file.stem().string(), of = "-of-";
  if (extension != ".safetensors" && extension != ".bin") return std::nullopt;
  const size_t length = 2 * kDigits + of.size();
  if (stem.size() < length + 2 || stem[stem.size() - length - 1] != '-') return std::nullopt;
  const std::string number = stem.substr(stem.size() - length, kDigits), count = stem.substr(stem.size() - kDigits);
  const bool plain = (number + count).find_first_not_of("0123456789") == std::string::npos &&
                     stem.compare(stem.size() - kDigits - of.size(), of.size(), of) == 0;
  if (!plain || number == "00000" || number > count) return std::nullopt;
  return ShardName{stem.substr(0, stem.size() - length), count, extension};
}

}  // namespace

bool is_shard(const fs::path& file) { return parse(file).has_value(); }

std::optional<fs::path> find_shard(const fs::path& folder) {
  for (const char* extension : {".safetensors", ".bin"}) {
    std::set<ShardName> models;
    fs::path first;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
      const auto name = parse(entry.path());
      if (!name || name->extension != extension) continue;
      models.insert(*name);
      if (first.empty() || entry.path() < first) first = entry.path();
    }
    check(models.size() < 2, shown(folder), ": holds the shards of ", models.size(), " models, of ",
          shown(first.filename()), " and others; name one shard of the model that is meant");
    if (!models.empty()) return first;
  }
  return std::nullopt;
}

std::vector<std::string> shards_beside(const std::string& name) {
  const auto shard = parse(name);
  check(shard.has_value(), name, ": not the name of a shard (NAME-00001-of-00002.safetensors)");
  std::vector<std::string> names;
  for (int number = 1, count = std::stoi(shard->count); number <= count; ++number) {
    const std::string digits = std::to_string(number);
    names.push_back(shard->stem + std::string(kDigits - digits.size(), '0') + digits + "-of-" + shard->count +
                    shard->extension);
  }
  return names;
}

}  // namespace tessera
