// Writes a data set's pictures and captions as tar shards (docs/data.md).
//
//   train-000000.tar          for each picture a sample: 000000000.jpg (or .png), .json, .txt
//   train-000000.index.jsonl  the shard's size and SHA-256, which pictures are in it; then of each sample its key,
//                             offset and length in bytes of the shard, and how many captions it has
//   train.json                of what data set, with which limits; at the end also the list of shards
//
// A picture's file goes in as it is; WebP and GIF, which other readers of shards seldom know, are decoded and stored as
// PNG. `txt` is the first caption, `json` has all of them. The bytes are a function of the data set and the options.
// One sample at a time is in memory. A shard appears when it is whole, and its index before it, so that a writer that
// was killed goes on after the last shard, with the same result.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/progress.h"
#include "data/sets/dataset.h"
#include "data/shards/shard_index.h"

namespace tessera {

struct WriteShardsOptions {
  std::string prefix = "train";             // of the files' names
  uint64_t most_bytes = uint64_t{1} << 30;  // of a shard; a sample that is larger has one of its own
  int64_t most_samples = 10'000;            // of a shard
  int64_t max_bad_files = 0;                // so many pictures may be left out; more are an error
  bool force = false;                       // replaces shards of another data set, or with other limits
};

struct WrittenShards {
  int64_t shards = 0, samples = 0, captions = 0;
  uint64_t bytes = 0;
  int64_t found = 0;  // so many of the shards were there already
  std::vector<LeftOutSample> left_out;
};

// `image_folder` is that of the data set, from which names count. Throws tessera::Error; what has been written by then
// stays, and the next call goes on.
WrittenShards write_shards(const Dataset& dataset, const std::string& image_folder, const std::filesystem::path& out,
                           const WriteShardsOptions& options, const ProgressCallback& progress = {});

}  // namespace tessera
