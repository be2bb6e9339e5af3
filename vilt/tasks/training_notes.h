// What a training does otherwise than its user may think, told before it begins.
#pragma once

#include <string>
#include <vector>

#include "data/samples.h"
#include "vilt/tasks/settings.h"

namespace tessera {

// A sentence for each: captions that are cut (counted among at most 20,000, evenly spread; of shards 100), too few
// pictures to learn matching from, a batch that takes a caption more than once, settings without effect.
std::vector<std::string> training_notes(const Settings& settings, const PairSource& train);

}  // namespace tessera
