// A folder of files that takes its place whole or not at all: it is written beside and renamed.
#pragma once

#include <filesystem>
#include <span>

namespace tessera {

class NewFolder {
 public:
  // `files`: the names that such a folder may hold. One that is there already, and not empty, is an error, unless
  // `replace` says that it may go and it holds nothing but such files.
  NewFolder(const std::filesystem::path& target, std::span<const char* const> files, bool replace);
  // Removes what has not been put in place.
  ~NewFolder();
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;

  // Where to write, until then.
  const std::filesystem::path& path() const { return beside_; }
  // What was at the target is gone only when the new is there.
  void put_in_place();

 private:
  std::filesystem::path target_, beside_;
};

}  // namespace tessera
