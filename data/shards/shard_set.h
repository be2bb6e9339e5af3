// Many shards as one data set: samples and captions by number, read where they lie. In memory are the indexes alone,
// at most 12 bytes for each sample.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "data/shards/index_shards.h"
#include "data/shards/shard_files.h"
#include "data/shards/shard_index.h"

namespace tessera {

struct ShardSetOptions {
  // So many samples may be left out, those of shards that cannot be used among them; more are an error.
  int64_t most_bad = 0;
  int64_t window = 1;  // captions that are drawn from at one time (data/windowed_order.h): their shards stay open
};

struct ShardSetRemarks {
  int64_t indexed = 0;               // shards whose index was made
  std::string not_kept;              // why it could not be written beside one
  int64_t left_out = 0;              // samples
  std::vector<std::string> reasons;  // of the first ten
  std::map<std::string, int64_t> splits;
};

class ShardSet {
 public:
  // Shards are named as expand_shards() does it; found are theirs (open_shard_indexes).
  ShardSet(const std::vector<std::string>& shards, IndexedShards found, const ShardSetOptions& options);

  int64_t samples() const { return first_samples_.back(); }
  int64_t captions() const { return first_captions_.back(); }
  // The captions of each shard, in order; shards that cannot be used have none.
  std::vector<int64_t> captions_of_shards() const;
  int64_t sample_of(int64_t caption) const;
  int64_t first_caption(int64_t sample) const;
  int64_t shard_of(int64_t sample) const;

  struct Sample {
    std::string name;  // "shards/train-000003.tar: 000030007"
    std::string picture;
    std::vector<std::string> captions;
  };
  // Errors name the shard, and the sample by its place in it. Thread-safe.
  Sample read(int64_t sample) const;
  // The name of a sample without reading it: "shards/train-000003.tar: the sample at byte 1536".
  std::string place(int64_t sample) const;

  const ShardSetRemarks& remarks() const { return remarks_; }
  // Numbers of captions and pictures, and a hash of the shards' names and checksums, by their indexes.
  std::map<std::string, std::string> fingerprint() const;
  // Of the tables in memory.
  uint64_t bytes() const;

 private:
  void count(const ShardIndex& index);
  void leave_out(int64_t samples, const std::string& reason);

  std::vector<ShardIndex> indexes_;
  std::vector<int64_t> first_samples_{0}, first_captions_{0};  // of each shard, and behind the last
  ShardSetRemarks remarks_;
  ShardFiles files_;
};

}  // namespace tessera
