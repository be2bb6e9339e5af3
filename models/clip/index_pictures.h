// Brings the index of a folder's pictures up to date: only those that are new, or have changed since, are computed.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "models/clip/embedder.h"
#include "models/clip/picture_index.h"

namespace tessera {

struct IndexUpdate {
  PictureIndex index;
  int64_t computed = 0, left_out = 0;
};

// The index of `names`, files in `folder`, from what `known` has of them. A picture that cannot be read is told to
// `report` and left out. `progress` after each batch.
IndexUpdate index_pictures(const ClipEmbedder& embedder, const std::filesystem::path& folder,
                           const std::vector<std::string>& names, const PictureIndex& known, int64_t batch,
                           const std::function<void(int64_t done, int64_t total)>& progress,
                           const std::function<void(const std::string& line)>& report);

}  // namespace tessera
