// Tar shards as a captions file: read from front to back once, for the captions; the pictures stay where they are.
#include <filesystem>

#include "data/sets/layout_readers.h"
#include "data/sets/list_lines.h"
#include "data/shards/index_shards.h"
#include "data/shards/shard_set.h"
#include "data/shards/sources.h"
#include "io/printable.h"
#include "tensor/error.h"

namespace tessera {

bool is_no_file(const FileBeginning&) { return false; }

void read_shards(const CaptionsFile& file, RecordSink& sink) {
  const std::vector<std::string> shards = expand_shards(file.path.string());
  IndexedShards found;
  int64_t samples = 0;
  for (const std::string& shard : shards) {
    const std::string name = shard.starts_with(kPipe) ? shard : shown(shard);
    const auto add = [&](const ShardSample& sample, const ImageText&, const std::vector<std::string>& captions) {
      check(samples < int64_t{UINT32_MAX}, file.where, ": more than ", UINT32_MAX, " samples");
      const std::string picture = name + ": " + shown(sample.key), split = split_of(sample);
      std::vector<CaptionText> texts;
      for (const std::string& caption : captions) texts.push_back({.text = caption});
      picture_or_left_out(sink,
                          {.split = split,
                           .file = picture,
                           .key = sample.key,
                           .captions = texts,
                           .naming = Naming::number,
                           .sample = static_cast<uint32_t>(samples++)},
                          "dataset: " + picture);
    };
    try {
      found.indexes.push_back(index_shard(shard, add));
    } catch (const Error& error) {
      found.indexes.emplace_back().summary.error = error.what();
    }
    const ShardSummary& summary = found.indexes.back().summary;
    for (const LeftOutSample& one : summary.first_unusable) sink.leave_out(one.reason);
    for (int64_t i = std::ssize(summary.first_unusable); i < summary.unusable; ++i)
      sink.leave_out(text(name, ": another sample that cannot be used"));
    if (!summary.error.empty()) sink.leave_out(summary.error);
  }
  constexpr int64_t kAll = INT64_MAX;  // too many are an error of the data set's
  sink.shards(std::make_shared<const ShardSet>(shards, std::move(found), ShardSetOptions{.most_bad = kAll}));
}

}  // namespace tessera
