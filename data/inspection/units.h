// A data set as pieces of work, whatever it lies in: a shard is one, so is a run of pictures of a captions file. What
// looks at every sample does so piece by piece, on several threads.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "data/progress.h"
#include "data/sets/dataset.h"

namespace tessera {

// What there is to look at, in one piece of work: a picture with its captions, or something that is none.
struct InspectedSample {
  std::string name;       // the picture's file, or that of the shard and the sample's key
  std::string reason;     // why it cannot serve, in words that are the same for all of its kind; no text if it can
  std::string detail;     // more of it, for one who looks for this sample
  bool is_sample = true;  // false: a member of a shard that is left out, or what is wrong with all of the shard
  std::string picture;    // the file's bytes
  std::vector<std::string> captions;
};
using InspectSample = std::function<void(const InspectedSample& sample)>;

struct InspectionUnit {
  std::string name;
  std::string identity;  // changes when what is inspected does; no text: nobody can tell
  std::function<void(const InspectSample& inspect)> each;
};

// A unit for each shard (data/shards/sources.h). Where there is an index beside a shard (data/shards/write_shards.h)
// its checksum is compared.
std::vector<InspectionUnit> shard_units(const std::vector<std::string>& shards);
// The data set must outlive the units.
std::vector<InspectionUnit> dataset_units(const Dataset& dataset, const std::string& name,
                                          int64_t pictures_of_unit = 256);

// Calls `work(i)` for each i below `count`, on so many threads; what one throws is thrown when the others have ended.
// `progress` is called by the calling thread.
void for_each_unit(int64_t count, int threads, const std::function<void(int64_t)>& work,
                   const ProgressCallback& progress);

}  // namespace tessera
