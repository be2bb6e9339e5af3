#include "io/new_folder.h"

#include <unistd.h>

#include <algorithm>

#include "io/printable.h"
#include "tensor/error.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

void check_replaceable(const fs::path& directory, std::span<const char* const> files, bool replace) {
  if (!fs::exists(directory)) return;
  const bool is_empty = fs::is_directory(directory) && fs::is_empty(directory);
  if (is_empty) return;
  check(replace, shown(directory), ": exists already; --force replaces it");
  for (const fs::directory_entry& entry : fs::directory_iterator(directory))
    check(std::find(files.begin(), files.end(), entry.path().filename()) != files.end(), shown(directory),
          ": is not replaced, since it holds ", shown(entry.path().filename()), ", which no converted directory has");
}

// Beside `target`, by a name that nobody else's has.
fs::path beside(const fs::path& target, const char* what) {
  return fs::path(target).concat(text(".", what, "-", ::getpid()));
}

void remove_quietly(const fs::path& path) {
  std::error_code ignored;
  fs::remove_all(path, ignored);
}

}  // namespace

NewFolder::NewFolder(const fs::path& target, std::span<const char* const> files, bool replace)
    : target_(target.filename().empty() ? target.parent_path() : target),  // "out/"
      beside_(beside(target_, "partial")) {
  check_replaceable(target_, files, replace);
  fs::create_directories(beside_);
}

NewFolder::~NewFolder() { remove_quietly(beside_); }

void NewFolder::put_in_place() {
  const fs::path old = beside(target_, "old");
  if (fs::exists(target_)) fs::rename(target_, old);
  fs::rename(beside_, target_);
  remove_quietly(old);
}

}  // namespace tessera
