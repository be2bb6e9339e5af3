// The index beside a shard, as JSON lines: one for the shard, then one for each sample. `vilt data shard` writes it
// with the shard; of shards from elsewhere it is made by reading them once (data/shards/index_shards.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/files.h"

namespace tessera {

struct LeftOutSample {
  std::string file;    // with the image folder; of a shard the sample's key or the member's name
  std::string reason;  // begins with it
};

struct ShardSummary {
  std::string shard;  // the file's name
  uint64_t bytes = 0;
  std::string sha256;
  int64_t samples = 0, captions = 0;
  std::map<std::string, int64_t> splits = {};  // of the samples that tell theirs
  int64_t first_image = 0, end_image = 0;      // of the data set that was written
  std::vector<LeftOutSample> left_out = {};    // of these
  // Of a shard from elsewhere: samples without picture or caption, and members that were refused. The first are named.
  int64_t unusable = 0;
  std::vector<LeftOutSample> first_unusable = {};
  std::string error = {};  // why it cannot be read to its end
};

// Of what is in a shard, as much as training needs to know of a large one: at most 12 bytes for each sample.
struct ShardIndex {
  ShardSummary summary;
  std::vector<uint32_t> blocks;           // of 512 bytes: where each sample begins in the unpacked shard
  std::vector<uint32_t> key_hashes;       // by which another shard under the same name is noticed
  std::vector<uint32_t> captions_before;  // that the samples before each have, and at last all; empty: one has one

  uint64_t end = 0;  // of the last sample, in bytes

  // Errors do not name the file. Samples come in their order.
  void add(std::string_view key, uint64_t offset, uint64_t length, int64_t captions);

  int64_t samples() const { return static_cast<int64_t>(blocks.size()); }
  int64_t captions() const { return captions_before.empty() ? samples() : captions_before.back(); }
  int64_t first_caption(int64_t sample) const;
  int64_t captions_of(int64_t sample) const;
  int64_t sample_of(int64_t caption) const;
};

uint32_t shard_key_hash(std::string_view key);

std::string summary_line(const ShardSummary& summary);
std::string sample_line(const std::string& key, uint64_t offset, uint64_t length, int64_t captions);

// "train-000000.tar" and "train-000000.index.jsonl"; beside a packed one "x.tar.gz.index.jsonl".
std::string shard_name(const std::string& prefix, int64_t number);
std::filesystem::path index_path(const std::filesystem::path& shard);

// The first line of a shard's index; none if there is no such file. Errors name the file.
std::optional<ShardSummary> read_shard_summary(const std::filesystem::path& shard);
// All of it.
std::optional<ShardIndex> read_shard_index(const std::filesystem::path& shard);
// The same of its contents; `where` begins messages.
ShardIndex parse_shard_index(const TextPieces& contents, const std::string& where);

}  // namespace tessera
