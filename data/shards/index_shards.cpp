#include "data/shards/index_shards.h"

#include <filesystem>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>

#include "data/inspection/units.h"
#include "data/sets/splits.h"
#include "data/shards/sources.h"
#include "io/command_output.h"
#include "io/printable.h"
#include "io/sha256.h"
#include "io/strict_json.h"
#include "io/unpacking.h"
#include "tensor/error.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

constexpr size_t kUnusableNamed = 10;  // unusable samples of a shard

struct RawShard {
  TextPieces pieces;
  std::shared_ptr<Sha256> hash = std::make_shared<Sha256>();
  std::shared_ptr<uint64_t> bytes = std::make_shared<uint64_t>(0);
};

// The file's bytes, counted and hashed as they pass.
RawShard raw_shard(const std::string& shard) {
  RawShard raw;
  TextPieces pieces =
      shard.starts_with(kPipe) ? command_output(shard.substr(kPipe.size())) : file_pieces(fs::path(shard));
  raw.pieces = [pieces = std::move(pieces), hash = raw.hash, bytes = raw.bytes] {
    const std::string_view piece = pieces();
    hash->add(piece);
    *bytes += piece.size();
    return piece;
  };
  return raw;
}

void add_unusable(ShardSummary& summary, const std::string& name, const std::string& reason) {
  ++summary.unusable;
  if (summary.first_unusable.size() < kUnusableNamed) summary.first_unusable.push_back({name, reason});
}

// Why the index is of another file than this; empty if it is not.
std::string stale(const std::string& shard, const ShardSummary& summary) {
  const fs::path path = shard;
  const std::string index = shown(index_path(path));
  const uint64_t bytes = fs::file_size(path);
  if (summary.shard != path.filename())
    return text("its index ", index, " is of the shard ", quoted_text(summary.shard));
  if (summary.bytes != bytes)
    return text("has ", bytes, " bytes, and ", summary.bytes, " by its index ", index,
                ": the shard is damaged, or another one whose index has to be removed");
  return {};
}

ShardIndex unusable_shard(const std::string& shard, const std::string& error, int64_t samples = 0) {
  ShardIndex out;
  out.summary.samples = samples;
  out.summary.shard = shard;
  out.summary.error = error.starts_with(shown(shard)) ? error : text(shown(shard), ": ", error);
  return out;
}

struct Opened {
  ShardIndex index;
  bool made = false;
  std::string not_kept;
};

Opened make_index(const std::string& shard) {
  Opened out;
  out.made = true;
  std::string lines;
  out.index = index_shard(shard, {}, &lines);
  if (shard.starts_with(kPipe)) return out;
  try {
    write_file_atomically(index_path(shard), std::string_view(summary_line(out.index.summary) + lines));
  } catch (const Error& error) {
    out.not_kept = error.what();
  }
  return out;
}

Opened open_index(const std::string& shard) {
  if (shard.starts_with(kPipe)) return make_index(shard);
  std::error_code missing;
  check(fs::is_regular_file(shard, missing), shown(shard), ": there is no such file");
  std::optional<ShardIndex> found = read_shard_index(shard);
  if (!found) return make_index(shard);
  const std::string reason = stale(shard, found->summary);
  if (!reason.empty()) return {unusable_shard(shard, reason, found->samples()), false, {}};
  return {std::move(*found), false, {}};
}

}  // namespace

std::string split_of(const ShardSample& sample) {
  const ShardPart* part = sample.find("json");
  if (!part) return {};
  try {
    const nlohmann::json record = parse_strict_json(part->data, sample.key);
    if (!record.is_object() || !record.contains("split") || !record["split"].is_string()) return {};
    const std::string_view split = split_of_word(record["split"].get_ref<const std::string&>());
    return is_split(split) ? std::string(split == "restval" ? "train" : split) : std::string();
  } catch (const Error&) {
    return {};
  }
}

ShardIndex index_shard(const std::string& shard, const UsableSample& usable, std::string* lines) {
  const RawShard raw = raw_shard(shard);
  const std::string name = shown(shard);
  ShardIndex index;
  ShardSummary& summary = index.summary;
  ShardOptions options;
  options.on_skipped = [&](const SkippedMember& member) {
    if (member.kind == SkippedMember::Kind::refused)
      add_unusable(summary, member.name, text(name, ": ", shown(member.name), ": ", member.reason));
  };
  ShardReader reader(unpacked(raw.pieces, name), name, options);
  const auto add = [&](const ShardSample& sample) {
    const ImageText pair = image_text(sample);
    if (!pair.unusable.empty())
      return add_unusable(summary, sample.key, text(name, ": ", shown(sample.key), ": ", pair.unusable));
    const std::vector<std::string> captions = all_captions(sample, pair);
    const auto count = static_cast<int64_t>(captions.size());
    index.add(sample.key, sample.begin, sample.end - sample.begin, count);
    if (const std::string split = split_of(sample); !split.empty()) ++summary.splits[split];
    if (lines) *lines += sample_line(sample.key, sample.begin, sample.end - sample.begin, count);
    if (usable) usable(sample, pair, captions);
  };
  try {
    while (const auto sample = reader.next()) {
      check(reader.samples_stand_alone(), name,
            ": a global pax header gives names or sizes of members, which cannot be read at their places without it; "
            "write the archive anew");
      add(*sample);
    }
    summary.error = reader.error();
    while (!raw.pieces().empty()) {
    }
  } catch (const Error& error) {
    summary.error = error.what();
  }
  summary.shard = shard.starts_with(kPipe) ? shard : fs::path(shard).filename().string();
  summary.bytes = *raw.bytes;
  summary.sha256 = raw.hash->hexadecimal();
  summary.samples = summary.end_image = index.samples();
  summary.captions = index.captions();
  return index;
}

IndexedShards open_shard_indexes(const std::vector<std::string>& shards, int threads,
                                 const ProgressCallback& progress) {
  IndexedShards out;
  out.indexes.resize(shards.size());
  std::mutex mutex;
  const auto open = [&](int64_t i) {
    const std::string& shard = shards[static_cast<size_t>(i)];
    Opened opened;
    try {
      opened = open_index(shard);
    } catch (const Error& error) {
      opened.index = unusable_shard(shard, error.what());
    }
    const std::lock_guard lock(mutex);
    out.indexes[static_cast<size_t>(i)] = std::move(opened.index);
    out.made += opened.made;
    if (out.not_kept.empty()) out.not_kept = std::move(opened.not_kept);
  };
  for_each_unit(static_cast<int64_t>(shards.size()), threads, open, progress);
  return out;
}

}  // namespace tessera
