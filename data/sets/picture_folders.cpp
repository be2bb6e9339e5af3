#include "data/sets/picture_folders.h"

namespace tessera {

namespace fs = std::filesystem;

PictureFolders::PictureFolders(const fs::path& images, const std::vector<std::string>& candidates)
    : images_(images.string()) {
  if (!images_.empty() && !images_.ends_with('/')) images_ += '/';
  std::error_code ignored;
  for (const std::string& candidate : candidates)
    if (candidate.empty())
      prefixes_.emplace_back();
    else if (fs::is_directory(images_ + candidate, ignored))
      prefixes_.push_back(candidate + "/");
  if (prefixes_.empty()) prefixes_.emplace_back();
}

std::string PictureFolders::find(const std::string& name) const {
  std::error_code ignored;
  if (prefixes_.size() > 1)
    for (const std::string& prefix : prefixes_)
      if (fs::is_regular_file(images_ + prefix + name, ignored)) return prefix + name;
  return prefixes_[0] + name;
}

}  // namespace tessera
