// Makes the index of shards that have none: each is read once, to its end.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "data/progress.h"
#include "data/shards/sample.h"
#include "data/shards/shard_index.h"

namespace tessera {

// A sample that training can use, and its captions.
using UsableSample =
    std::function<void(const ShardSample& sample, const ImageText& pair, const std::vector<std::string>& captions)>;

// A shard is named as in data/shards/sources.h. What is wrong with it stands in the summary, and the samples before are
// in the index; that it cannot be opened is an error. `lines`, if asked for: the samples, as the index has them.
ShardIndex index_shard(const std::string& shard, const UsableSample& usable = {}, std::string* lines = nullptr);

// "train", "val", "test" or such, as a sample's json says; empty where it does not.
std::string split_of(const ShardSample& sample);

// Index of each of these shards, several at once: as it lies beside them, and else made, and written there. Of a shard
// that cannot be used the summary alone says why, in `error`.
struct IndexedShards {
  std::vector<ShardIndex> indexes;
  int64_t made = 0;
  std::string not_kept;  // why the first index that was made could not be written
};
IndexedShards open_shard_indexes(const std::vector<std::string>& shards, int threads,
                                 const ProgressCallback& progress = {});

}  // namespace tessera
