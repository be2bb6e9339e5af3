// Where below the image folder a published data set's pictures lie: people keep them as they were unpacked, or name the
// folder one further down. Internal to data/sets/.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace tessera {

class PictureFolders {
 public:
  // Of `candidates` those that exist below the image folder count; "" is that folder itself, and should be the last.
  PictureFolders(const std::filesystem::path& images, const std::vector<std::string>& candidates);

  // The picture's name below the image folder: in the first folder that has such a file, else in the first folder.
  std::string find(const std::string& name) const;

 private:
  std::string images_;
  std::vector<std::string> prefixes_;  // below the image folder, with a '/' at the end, or empty
};

}  // namespace tessera
