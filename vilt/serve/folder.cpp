#include "vilt/serve/folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "io/printable.h"
#include "tensor/error.h"
#include "vilt/serve/refusal.h"

namespace tessera::serve {

namespace fs = std::filesystem;

namespace {

// The parts of a name between its slashes.
std::vector<std::string> parts_of(const std::string& name) {
  std::vector<std::string> parts;
  for (size_t begin = 0, end; begin <= name.size(); begin = end + 1) {
    end = std::min(name.find('/', begin), name.size());
    parts.push_back(name.substr(begin, end - begin));
  }
  return parts;
}

void check_name(const std::string& name, const std::vector<std::string>& parts) {
  constexpr size_t kLongest = 4096, kDeepest = 64;
  const auto bad = [](const std::string& part) { return part.empty() || part == "." || part == ".."; };
  if (name.size() > kLongest || parts.size() > kDeepest || name.find('\0') != name.npos ||
      std::any_of(parts.begin(), parts.end(), bad))
    throw Refusal(400, text("the picture's name ", printable(name),
                            " leads out of the folder or is none; expected one "
                            "as /api/pictures lists them"));
}

bool is_picture_name(const fs::path& path) {
  std::string extension = path.extension().string();
  for (char& c : extension) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
  static constexpr std::array<std::string_view, 5> kExtensions = {".jpg", ".jpeg", ".png", ".webp", ".gif"};
  return std::find(kExtensions.begin(), kExtensions.end(), extension) != kExtensions.end();
}

}  // namespace

PictureFile read_picture_file(int descriptor, const std::string& name, int64_t most, bool with_bytes) {
  struct stat status {};
  check(::fstat(descriptor, &status) == 0, name, ": ", std::strerror(errno));
  if (!S_ISREG(status.st_mode)) throw Refusal(404, name + ": is no file");
  check(status.st_size <= most, name, ": the file has ", status.st_size, " bytes, the limit is ", most);
  PictureFile out;
  out.version = text(status.st_dev, '.', status.st_ino, '.', status.st_size, '.', status.st_mtim.tv_sec, '.',
                     status.st_mtim.tv_nsec);
  if (!with_bytes) return out;
  out.bytes.resize(static_cast<size_t>(status.st_size));
  size_t have = 0;
  while (have < out.bytes.size()) {
    const ssize_t got = ::read(descriptor, out.bytes.data() + have, out.bytes.size() - have);
    if (got < 0 && errno == EINTR) continue;
    check(got >= 0, name, ": ", std::strerror(errno));
    if (got == 0) break;
    have += static_cast<size_t>(got);
  }
  out.bytes.resize(have);
  return out;
}

Folder::Folder(const fs::path& path)
    : path_(path), descriptor_(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {
  check(descriptor_ >= 0, "--folder ", shown(path), ": ", std::strerror(errno), "; expected a folder of pictures");
}

Folder::~Folder() { ::close(descriptor_); }

int Folder::open(const std::string& name) const {
  const std::vector<std::string> parts = parts_of(name);
  check_name(name, parts);
  int at = descriptor_;
  for (size_t i = 0; i < parts.size(); ++i) {
    const bool last = i + 1 == parts.size();
    // O_NONBLOCK: a pipe is opened and then refused, not waited for.
    const int flags = O_NOFOLLOW | O_CLOEXEC | (last ? O_RDONLY | O_NONBLOCK : O_PATH | O_DIRECTORY);
    const int next = ::openat(at, parts[i].c_str(), flags);
    const int error = errno;
    if (at != descriptor_) ::close(at);
    if (next < 0 && (error == EMFILE || error == ENFILE)) throw Refusal(503, "too many files are open; try again");
    if (next < 0)
      throw Refusal(404, text(printable(name), ": ",
                              error == ELOOP ? "is a link, and links are not followed" : std::strerror(error)));
    at = next;
  }
  return at;
}

Folder::List Folder::list(size_t most) const {
  List out;
  std::error_code ignored;
  const auto options = fs::directory_options::skip_permission_denied;
  for (auto entry = fs::recursive_directory_iterator(path_, options, ignored);
       entry != fs::recursive_directory_iterator(); entry.increment(ignored)) {
    const bool hidden = entry->path().filename().string().starts_with('.');
    if (hidden || entry->is_symlink(ignored)) {
      entry.disable_recursion_pending();
      continue;
    }
    if (!entry->is_regular_file(ignored) || !is_picture_name(entry->path())) continue;
    const std::string name = entry->path().lexically_relative(path_).string();
    if (escape_controls(name) != name) continue;
    if (out.names.size() == most) {
      out.whole = false;
      break;
    }
    out.names.push_back(name);
  }
  std::sort(out.names.begin(), out.names.end());
  return out;
}

}  // namespace tessera::serve
