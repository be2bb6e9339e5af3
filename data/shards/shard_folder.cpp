#include "data/shards/shard_folder.h"

#include <signal.h>

#include <cerrno>
#include <charconv>
#include <utility>

#include "io/files.h"
#include "io/printable.h"
#include "io/strict_json.h"
#include "tensor/error.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// The number of PREFIX-NNNNNN.tar or PREFIX-NNNNNN.index.jsonl, and what follows such a name; -1 for other files.
int64_t shard_number(std::string_view file, std::string_view prefix, std::string_view& rest) {
  if (!file.starts_with(prefix) || file.substr(prefix.size(), 1) != "-") return -1;
  file.remove_prefix(prefix.size() + 1);
  const size_t digits = std::min(file.find_first_not_of("0123456789"), file.size());
  if (digits < 6 || digits > 15) return -1;
  int64_t number = -1;
  std::from_chars(file.data(), file.data() + digits, number);
  file.remove_prefix(digits);
  for (const std::string_view kind : {".tar", ".index.jsonl"})
    if (file.starts_with(kind)) {
      rest = file.substr(kind.size());
      return number;
    }
  return -1;
}

}  // namespace

ShardFolder::ShardFolder(const fs::path& folder, const std::string& prefix, nlohmann::ordered_json origin)
    : folder_(folder), prefix_(prefix), origin_(std::move(origin)) {
  check(!prefix.empty() && !prefix.starts_with('.') &&
            prefix.find_first_of(std::string_view("/{}*?[],\0", 9)) == std::string::npos,
        "shards: the prefix is ", printable(prefix), ", expected the beginning of a file's name");
}

fs::path ShardFolder::list_path() const { return folder_ / (prefix_ + ".json"); }

fs::path ShardFolder::shard_path(size_t number) const {
  return folder_ / shard_name(prefix_, static_cast<int64_t>(number));
}

std::vector<ShardSummary> ShardFolder::open(bool force) {
  fs::create_directories(folder_);
  remove_leftovers();
  const fs::path list = list_path();
  if (fs::exists(list)) {
    const std::vector<uint8_t> bytes = read_file(list);
    json before = parse_strict_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, shown(list));
    check(before.is_object() && before.contains("generator") && before["generator"] == json(origin_["generator"]),
          shown(list), ": exists and is no list of shards that vilt data shard wrote; name another folder or prefix");
    before.erase("shards");
    if (before == json(origin_)) return whole_shards();
    check(force, shown(list), ": its shards are of other data or have other limits (", difference(before),
          "); replace them with --force, or name another folder or prefix");
  } else {
    check(
        force || !fs::exists(shard_path(0)), shown(shard_path(0)),
        ": exists already, and no list says of what it is; name another folder or prefix, or replace it with --force");
  }
  // First, so that nothing of before is taken for the new ones if this is killed.
  remove_shards();
  write_file_atomically(list, std::string_view(origin_.dump(2) + "\n"), Durability::power);
  return {};
}

void ShardFolder::finish(const std::vector<ShardSummary>& shards) const {
  nlohmann::ordered_json whole = origin_;
  for (const ShardSummary& shard : shards)
    whole["shards"].push_back({{"shard", shard.shard},
                               {"bytes", shard.bytes},
                               {"samples", shard.samples},
                               {"captions", shard.captions},
                               {"sha256", shard.sha256}});
  write_file_atomically(list_path(), std::string_view(whole.dump(2) + "\n"), Durability::power);
}

// A shard that is there is whole, and so is its index: it comes before the shard.
std::vector<ShardSummary> ShardFolder::whole_shards() const {
  std::vector<ShardSummary> out;
  for (;;) {
    const fs::path shard = shard_path(out.size());
    std::error_code absent;
    const uint64_t bytes = fs::file_size(shard, absent);
    if (absent) return out;
    std::optional<ShardSummary> summary = read_shard_summary(shard);
    const int64_t expected = out.empty() ? 0 : out.back().end_image;
    if (!summary || summary->bytes != bytes || summary->first_image != expected) return out;
    out.push_back(std::move(*summary));
  }
}

// What a process that was killed has left beside the shards.
void ShardFolder::remove_leftovers() const {
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_)) {
    const std::string file = entry.path().filename().string();
    std::string_view rest;
    constexpr std::string_view kPartial = ".partial-";
    if (file.starts_with(list_path().filename().native()))
      rest = std::string_view(file).substr(list_path().filename().native().size());
    else if (shard_number(file, prefix_, rest) < 0)
      continue;
    if (!rest.starts_with(kPartial)) continue;
    rest.remove_prefix(kPartial.size());
    pid_t process = 0;
    std::from_chars(rest.data(), rest.data() + rest.size(), process);
    if (process > 0 && ::kill(process, 0) != 0 && errno == ESRCH) fs::remove(entry.path());
  }
}

void ShardFolder::remove_shards() const {
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_)) {
    const std::string file = entry.path().filename().string();
    std::string_view rest;
    if (shard_number(file, prefix_, rest) >= 0 && rest.empty()) fs::remove(entry.path());
  }
}

std::string ShardFolder::difference(const json& before) const {
  const json now = origin_;
  for (const auto& item : now.items()) {
    const json other = before.value(item.key(), json());
    if (other == item.value()) continue;
    if (!item.value().is_object() || !other.is_object()) return text(item.key(), " ", other, ", now ", item.value());
    for (const auto& inner : item.value().items())
      if (other.value(inner.key(), json()) != inner.value())
        return text(inner.key(), " ", other.value(inner.key(), json()), ", now ", inner.value());
  }
  return "entries of another version";
}

}  // namespace tessera
