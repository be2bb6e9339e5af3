// Shards that are read at any place: the file itself, or what is packed in it, or what a command prints, as a temporary
// file. The latest stay open.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace tessera {

class OpenShard {
 public:
  // Errors name the shard. What is wrong with packed data shows where they are read.
  explicit OpenShard(const std::string& shard);
  ~OpenShard();
  OpenShard(const OpenShard&) = delete;
  OpenShard& operator=(const OpenShard&) = delete;

  // Of the unpacked shard, from `position` on, at most so many bytes; 0 at its end. Thread-safe.
  size_t read(uint64_t position, char* to, size_t bytes) const;

 private:
  void unpack(const std::string& shard);

  std::string shard_;
  int descriptor_ = -1;
  std::string error_;  // why it ends where it does
};

// Thread-safe.
class ShardFiles {
 public:
  // `most`: so many are open at once; temporary files take as much of the disk as these have unpacked.
  ShardFiles(std::vector<std::string> shards, size_t most) : shards_(std::move(shards)), most_(most) {}

  std::shared_ptr<const OpenShard> open(size_t shard) const;
  const std::string& name(size_t shard) const { return shards_[shard]; }

 private:
  struct Entry {
    std::mutex mutex;
    std::shared_ptr<const OpenShard> file;
    uint64_t used = 0;
  };

  std::vector<std::string> shards_;
  size_t most_;
  mutable std::mutex mutex_;
  mutable std::map<size_t, std::shared_ptr<Entry>> entries_;
  mutable uint64_t uses_ = 0;
};

}  // namespace tessera
