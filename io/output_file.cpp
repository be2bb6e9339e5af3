#include "io/output_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "io/printable.h"
#include "tensor/error.h"

namespace tessera {
namespace {

// Unique among the processes and threads of this machine, so that two writers of one path never share a file.
std::filesystem::path partial_path(const std::filesystem::path& path) {
  static std::atomic<uint64_t> count{0};
  std::filesystem::path partial = path;
  partial += text(".partial-", ::getpid(), "-", count.fetch_add(1));
  return partial;
}

}  // namespace

OutputFile::OutputFile(const std::filesystem::path& path)
    : path_(path),
      partial_(partial_path(path)),
      descriptor_(::open(partial_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) {
  check(descriptor_ >= 0, "cannot create ", shown(partial_), ": ", std::strerror(errno));
}

OutputFile::~OutputFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!partial_.empty()) ::unlink(partial_.c_str());
}

void OutputFile::write(std::string_view bytes) {
  size_ += bytes.size();
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    check(written >= 0, "cannot write ", shown(path_), ": ", std::strerror(errno));
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

void OutputFile::put_in_place(Durability durability) {
  const bool on_disk = durability == Durability::power;
  bool whole = !on_disk || ::fsync(descriptor_) == 0;
  int error = errno;
  // An error of a delayed write can show only here.
  if (::close(std::exchange(descriptor_, -1)) != 0 && whole) {
    whole = false;
    error = errno;
  }
  if (whole && std::rename(partial_.c_str(), path_.c_str()) != 0) {
    whole = false;
    error = errno;
  }
  check(whole, "cannot write ", shown(path_), ": ", std::strerror(error));
  partial_.clear();
  if (on_disk) flush_folder(path_.has_parent_path() ? path_.parent_path() : ".");
}

}  // namespace tessera
