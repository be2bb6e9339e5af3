#include "train/sources/training_shards.h"

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "data/progress.h"
#include "data/shards/sources.h"
#include "io/printable.h"
#include "io/words.h"
#include "tensor/error.h"

namespace tessera {
namespace {

// Shards that are trained on are all of the training's split.
void check_splits(const ShardSet& set, const std::string& captions, const std::string& train_split) {
  for (const auto& [split, samples] : set.remarks().splits)
    check(split == train_split, shown(captions), ": ", with_thousands(samples), " of its samples are of the split '",
          split, "', and all that is in shards is trained on; `vilt data shard --split ", train_split,
          "` writes shards without them");
}

void tell_shards(const ShardSet& set, const std::string& captions, size_t shards, std::ostream& log) {
  const ShardSetRemarks& remarks = set.remarks();
  const std::string name = shown(captions);
  log << name << ": tar shards (data.kind = \"" << kShardsKind
      << "\"): " << with_thousands(static_cast<int64_t>(shards)) << (shards == 1 ? " shard" : " shards") << ", "
      << with_thousands(set.samples()) << " pictures\n";
  const std::string made = remarks.indexed > 0 ? with_thousands(remarks.indexed) : "";
  if (!made.empty() && captions.starts_with(kPipe))
    log << name << ": what the commands print was read for an index, as at every start\n";
  else if (!made.empty())
    log << name << ": " << made << " had no index and were read once to make it"
        << (remarks.not_kept.empty() ? "" : ", which could not be kept beside them: " + remarks.not_kept) << '\n';
  for (const std::string& reason : remarks.reasons) log << "left out: " << reason << '\n';
  const int64_t more = remarks.left_out - std::ssize(remarks.reasons);
  if (more > 0) log << "left out: " << with_thousands(more) << " more samples\n";
}

std::shared_ptr<const ShardSet> open_set(const DataSettings& data, const std::string& captions, std::ostream& log) {
  const std::vector<std::string> shards = expand_shards(captions);
  const int threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  IndexedShards found = open_shard_indexes(shards, threads, terminal_progress("indexes of shards"));
  ShardSetOptions options;
  options.most_bad = data.max_bad_files;
  options.window = data.shuffle_buffer;
  auto set = std::make_shared<const ShardSet>(shards, std::move(found), options);
  check_splits(*set, captions, data.train_split);
  tell_shards(*set, captions, shards.size(), log);
  return set;
}

}  // namespace

bool trains_on_shards(const DataSettings& data) {
  if (data.sets.empty()) return are_shards(data.captions, data.kind);
  const auto of_shards = [](const DataSetSettings& set) { return are_shards(set.captions, set.kind); };
  const auto shards = std::find_if(data.sets.begin(), data.sets.end(), of_shards);
  if (shards == data.sets.end()) return false;
  const auto other = std::find_if_not(data.sets.begin(), data.sets.end(), of_shards);
  check(other == data.sets.end(), "setting 'data.sets': ", shown(shards->captions), " are tar shards and ",
        other == data.sets.end() ? "" : shown(other->captions),
        " is not: captions in memory and captions in shards are drawn in different orders, and do not mix; "
        "`vilt data shard` makes shards of the others");
  return true;
}

ShardSets open_training_shards(const DataSettings& data, std::ostream& log) {
  const std::string& first = data.sets.empty() ? data.captions : data.sets[0].captions;
  check(!data.validation_captions.empty(),
        "setting 'data.validation_captions' is empty, and of shards nothing is held out (", shown(first),
        "); expected shards, or a file of captions, of other pictures");
  check(data.unseen_split.empty() || !data.test_captions.empty(),
        "setting 'data.test_captions' is empty, expected a file with the split of data.unseen_split: shards have none");
  check(data.annotations.empty(), "setting 'data.annotations' is ", printable(data.annotations),
        ", and captions in shards have none; leave it empty");
  ShardSets out;
  if (data.sets.empty()) return {open_set(data, data.captions, log)};
  for (const DataSetSettings& set : data.sets) {
    check(set.annotations.empty(), "setting 'data.sets' names annotations of ", shown(set.captions),
          ", and captions in shards have none");
    out.push_back(open_set(data, set.captions, log));
    log << "trained on: " << with_thousands(out.back()->captions()) << " captions of " << shown(set.captions);
    if (set.weight > 0) log << ", weight " << set.weight;
    log << '\n';
  }
  return out;
}

}  // namespace tessera
