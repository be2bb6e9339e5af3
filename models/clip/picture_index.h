// The vectors of a folder's pictures, kept in a file: what `vilt search` asks.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "io/safetensors.h"

namespace tessera {

struct PictureIndex {
  struct Entry {
    std::string name;                // of the file, relative to the folder
    int64_t bytes = 0, changed = 0;  // its size, and when it was written (nanoseconds): by what it is known again
  };
  std::string model;  // ClipEmbedder::fingerprint
  std::vector<Entry> entries;
  Tensor vectors;  // [entries, projection], f32, of unit length

  // A safetensors file, with the entries as JSON in its metadata. Errors name the file: one that is none, whose parts
  // do not belong together, or whose vectors are not numbers.
  static PictureIndex read(const std::filesystem::path& file);
  static PictureIndex parse(const SafeTensors& stored, const std::string& where);
  void write(const std::filesystem::path& file) const;
};

struct Hit {
  int64_t row;  // of the vectors
  float cosine;
};
// The rows of `vectors` [n, e] nearest to `query` [e], all of unit length: the `top` best, of equals the first. Rows
// whose cosine is not a number come last.
std::vector<Hit> nearest(const Tensor& vectors, const Tensor& query, int64_t top);

}  // namespace tessera
