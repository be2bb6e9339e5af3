// The vectors of a folder's pictures, kept in a file: what `vilt search` asks. Only pictures that are new, or have
// changed since, are computed again.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "models/clip/embedder.h"

namespace tessera {

struct PictureIndex {
  struct Entry {
    std::string name;                // of the file, relative to the folder
    int64_t bytes = 0, changed = 0;  // its size, and when it was written (nanoseconds): by what it is known again
  };
  std::string model;  // ClipEmbedder::fingerprint
  std::vector<Entry> entries;
  Tensor vectors;  // [entries, projection], f32, of unit length

  // A safetensors file, with the entries as JSON in its metadata. Errors name the file: one that is none, or whose
  // parts do not belong together.
  static PictureIndex read(const std::filesystem::path& file);
  void write(const std::filesystem::path& file) const;
};

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

struct Hit {
  int64_t row;  // of the vectors
  float cosine;
};
// The rows of `vectors` [n, e] nearest to `query` [e], all of unit length: the `top` best, of equals the first.
std::vector<Hit> nearest(const Tensor& vectors, const Tensor& query, int64_t top);

}  // namespace tessera
