// The tar shards that the settings name for training, opened.
#pragma once

#include <ostream>

#include "data/shards/shard_source.h"
#include "train/settings/common_settings.h"

namespace tessera {

// Whether data.captions, or what data.sets names, are shards. An error where some sets are and others are not.
bool trains_on_shards(const DataSettings& data);

// A set for data.captions, or for each of data.sets. Says what they are, which indexes were made, and what is left out.
ShardSets open_training_shards(const DataSettings& data, std::ostream& log);

}  // namespace tessera
