// The index beside a shard, as JSON lines: one for the shard, then one for each sample. Internal to data/shards/.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "data/shards/write_shards.h"

namespace tessera {

struct ShardSummary {
  std::string shard;  // the file's name
  uint64_t bytes = 0;
  std::string sha256;
  int64_t samples = 0, captions = 0;
  int64_t first_image = 0, end_image = 0;  // of the data set
  std::vector<LeftOutSample> left_out;     // of these
};

std::string summary_line(const ShardSummary& summary);
std::string sample_line(const std::string& key, uint64_t offset, uint64_t length);

// "train-000000.tar" and "train-000000.index.jsonl".
std::string shard_name(const std::string& prefix, int64_t number);
std::filesystem::path index_path(const std::filesystem::path& shard);

// The first line of a shard's index; none if there is no such file. Errors name the file.
std::optional<ShardSummary> read_shard_summary(const std::filesystem::path& shard);

}  // namespace tessera
