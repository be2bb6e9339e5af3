// The pictures of a folder, by names that lead to nothing outside of it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace tessera::serve {

// A file's bytes, and what tells whether it has changed.
struct PictureFile {
  std::string bytes, version;
};

// `name` in messages. Errors: no regular file, or more than `most` bytes.
PictureFile read_picture_file(int descriptor, const std::string& name, int64_t most, bool with_bytes = true);

class Folder {
 public:
  explicit Folder(const std::filesystem::path& path);
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  // A name as list() gives it. Refuses (Refusal, 400) names that are absolute, have "..", "." or empty parts, and (404)
  // what is not there, is a link, lies behind one, or is no file: each part is opened from the one before, no link is
  // followed, so that nobody who changes the folder meanwhile leads a request elsewhere. The caller closes it.
  int open(const std::string& name) const;

  struct List {
    std::vector<std::string> names;  // relative, sorted by their bytes
    bool whole = true;
  };
  // Files that are pictures by their names (.jpg, .jpeg, .png, .webp, .gif), also in folders of it, the first `most`
  // that are found. Links, hidden files and names that are no UTF-8 are left out.
  List list(size_t most) const;

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
};

}  // namespace tessera::serve
