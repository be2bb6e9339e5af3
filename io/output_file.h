// A file of any size that is written piece by piece, beside its place, and appears there when it is whole.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "io/files.h"

namespace tessera {

class OutputFile {
 public:
  // Writes to a new file in the same folder. Errors name `path` and say what the system answered.
  explicit OutputFile(const std::filesystem::path& path);
  // Removes what was written unless it has been put in its place.
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(std::string_view bytes);
  uint64_t size() const { return size_; }
  // Renames it to its path; what was there is replaced.
  void put_in_place(Durability durability = Durability::process);

 private:
  std::filesystem::path path_, partial_;
  int descriptor_;
  uint64_t size_ = 0;
};

}  // namespace tessera
