// A file of regions: pictures by name, of each its regions. Training reads them where they lie; in memory are the names
// alone. It is a safetensors file, so that other programs read it with nothing but that:
//
//   names          U8  [bytes]               one after another, without separators
//   name_ends      I64 [pictures]            where each ends
//   sizes          I64 [pictures, 2]         height, width
//   region_ends    I64 [pictures]            of each picture the regions begin where those of the last one end
//   boxes          F32 [regions, 4]
//   features       F32 or BF16 [regions, features]
//   distributions  F32 or BF16 [regions, classes]
//   confidences    F32 [regions]
//   objects        I64 [regions]
//   __metadata__   "format": "tessera-regions-1"; "classes": their names as a JSON array; "detector": anything
//
// A picture's name is that of its file in the image folder, with '/': the same in every place where the data set lies.
// Large sets are several such files ("shards"), of which each is whole in itself.
//
// Files are untrusted: sizes are checked against the file's before memory is taken, the index when the file is opened,
// and what is said of a picture when it is read (data/regions/regions.h). Errors name file and picture.
#pragma once

#include <deque>
#include <filesystem>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "data/regions/regions.h"
#include "io/input_file.h"

namespace tessera {

// How a picture of a data set is called in such files: `file`, a file's path, relative to the image folder; what lies
// outside it, and the name of a sample in a tar shard, is left as it is.
std::string region_name(const std::filesystem::path& file, const std::filesystem::path& image_folder);

class RegionFile {
 public:
  explicit RegionFile(const std::filesystem::path& path);

  const std::string& path() const { return path_; }  // for messages
  int64_t pictures() const { return static_cast<int64_t>(name_ends_.size()); }
  int64_t regions() const { return region_ends_.empty() ? 0 : region_ends_.back(); }
  int64_t features() const { return features_.columns; }
  const RegionClasses& classes() const { return classes_; }
  const std::string& detector() const { return detector_; }
  std::string_view name(int64_t picture) const;
  int64_t count(int64_t picture) const;  // of its regions
  // Thread-safe.
  Regions read(int64_t picture) const;

 private:
  struct Column {
    uint64_t begin = 0;  // in the file
    DType dtype = DType::f32;
    int64_t columns = 1;
  };
  Tensor rows(const Column& column, int64_t first, int64_t count) const;
  void read_index(const Column& names, int64_t name_bytes, const Column& name_ends, const Column& sizes,
                  const Column& region_ends, int64_t pictures, int64_t regions);

  InputFile file_;
  std::string path_;
  Column boxes_, features_, distributions_, confidences_, objects_;
  RegionClasses classes_;
  std::string detector_;
  std::string names_;
  std::vector<int64_t> name_ends_, sizes_, region_ends_;
};

// Several as one, in order. A name that two of them have, and classes or features that differ, are errors.
class RegionFiles {
 public:
  // Each a file, a pattern as of tar shards (data/shards/sources.h: `regions-{0000..0007}.safetensors`,
  // `regions-*.safetensors`), or a folder, of which all .safetensors are taken by name.
  explicit RegionFiles(const std::vector<std::string>& patterns);
  explicit RegionFiles(const std::string& pattern) : RegionFiles(std::vector<std::string>{pattern}) {}

  int64_t pictures() const { return static_cast<int64_t>(places_.size()); }
  int64_t features() const { return files_.front().features(); }
  const RegionClasses& classes() const { return files_.front().classes(); }
  const std::deque<RegionFile>& files() const { return files_; }
  // The picture's number.
  std::optional<int64_t> find(std::string_view name) const;
  std::string_view name(int64_t picture) const;
  int64_t count(int64_t picture) const;
  // Both thread-safe; a name that is not there is an error.
  Regions read(int64_t picture) const;
  Regions read(std::string_view name) const;

 private:
  struct Place {
    size_t file;
    int64_t picture;
  };
  std::deque<RegionFile> files_;  // which do not move
  std::vector<Place> places_;
  std::unordered_map<std::string_view, int64_t> numbers_;  // views of the files' names
};

}  // namespace tessera
