// Writes files of regions (data/regions/region_file.h), picture by picture: what has been added lies on the disk, in
// unnamed files beside, and not in memory. A file takes its place when it is whole.
#pragma once

#include <cstdio>
#include <filesystem>
#include <memory>
#include <unordered_set>

#include "data/regions/regions.h"

namespace tessera {

struct RegionWriterOptions {
  int64_t features = 0;
  RegionClasses classes;
  std::string detector;      // what made them; told to readers
  DType dtype = DType::f32;  // of features and distributions: f32, or bf16 in half the space
  uint64_t shard_bytes = 0;  // a new file before one would grow beyond; 0: one file
  int64_t first_shard = 0;   // its number, where earlier ones are there
};

class RegionWriter {
 public:
  // One file: `path`. Shards: "regions.safetensors" gives regions-000000.safetensors and so on. The folder must exist.
  RegionWriter(std::filesystem::path path, RegionWriterOptions options);
  ~RegionWriter();
  RegionWriter(const RegionWriter&) = delete;
  RegionWriter& operator=(const RegionWriter&) = delete;

  // An error if there was one of that name, or if they are none (check_regions).
  void add(const std::string& name, Regions regions);
  // Writes the last file, or an empty one where nothing was added. Without it what the last one was to hold is lost.
  void finish();
  const std::vector<std::filesystem::path>& written() const { return written_; }

  // Of a shard.
  static std::filesystem::path shard_path(const std::filesystem::path& path, int64_t number);

 private:
  struct Shard;
  void write_shard();

  std::filesystem::path path_;
  RegionWriterOptions options_;
  std::unordered_set<std::string> names_;
  std::unique_ptr<Shard> shard_;
  std::vector<std::filesystem::path> written_;
};

}  // namespace tessera
