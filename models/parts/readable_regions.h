// The regions of a picture (data/regions/regions.h), as the systems read them that stand on regions.
#pragma once

#include <functional>

#include "data/regions/regions.h"
#include "data/sets/dataset.h"

namespace tessera {

// The regions of a picture of a data set. Thread-safe. An error says why there are none to be read; the picture is then
// left out of training.
using RegionLookup = std::function<Regions(const DatasetImage& picture)>;

// The regions themselves or, of a picture in which nothing was found, one in place of them, so that there is something
// to read: all of the picture, without features, and background. It is never masked, for it teaches nothing.
struct ReadableRegions {
  Regions regions;
  bool stands_in = false;
};
// Errors: sizes that do not belong together, or are not `channels` and `classes` (what the model reads), a picture
// without area, values that are not finite; `name` begins them.
ReadableRegions readable_regions(Regions regions, int64_t channels, int64_t classes, const std::string& name);

}  // namespace tessera
