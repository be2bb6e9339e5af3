// The shards of one prefix in a folder, and the file that says of what they are. Internal to data/shards/.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "data/shards/shard_index.h"

namespace tessera {

class ShardFolder {
 public:
  // `origin`: of what the shards are, and with which limits.
  ShardFolder(const std::filesystem::path& folder, const std::string& prefix, nlohmann::ordered_json origin);

  // Makes the folder ready for shards of that origin. Gives those of it that are there, as far as they follow one
  // another. Others are replaced with `force`, and else an error; files that are no shards never are.
  std::vector<ShardSummary> open(bool force);
  // All shards are there.
  void finish(const std::vector<ShardSummary>& shards) const;

  std::filesystem::path shard_path(size_t number) const;

 private:
  std::filesystem::path list_path() const;
  std::vector<ShardSummary> whole_shards() const;
  void remove_leftovers() const;
  void remove_shards() const;
  std::string difference(const nlohmann::json& before) const;

  std::filesystem::path folder_;
  std::string prefix_;
  nlohmann::ordered_json origin_;
};

}  // namespace tessera
