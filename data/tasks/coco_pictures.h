// Where the pictures lie that a file names by number alone, as COCO's do. Internal to data/tasks/.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace tessera {

// The files of the pictures of one part of COCO ("train2014", "test-dev2015"; the latter's are those of "test2015")
// below a folder. As published they are <part>/COCO_<part>_000000000042.jpg; also found are the same names without
// their folder, COCO's names of 2017 (000000000042.jpg), those of the built-in data set (000042.jpg) and plain numbers
// (42.jpg, 42.png, …), with or without it.
class CocoPictures {
 public:
  // An empty `part`: not known.
  CocoPictures(const std::filesystem::path& folder, std::string part);

  // As published, whether it is there or not.
  std::string published(int64_t id) const;
  // A file that is there; empty if there is none. Looks first where the latest was found.
  std::string find(int64_t id);

 private:
  std::string name(int64_t id, size_t form) const;

  std::string folder_, part_;
  size_t latest_ = 0;
};

}  // namespace tessera
