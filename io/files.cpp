#include "io/files.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "io/input_file.h"
#include "tensor/error.h"

namespace tessera {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  int get() const { return value_; }
  // An error of a delayed write can show only here.
  bool close() {
    const int value = value_;
    value_ = -1;
    return ::close(value) == 0;
  }

 private:
  int value_;
};

[[noreturn]] void fail_with_errno(const char* what, const std::filesystem::path& path) {
  fail(what, " ", path.string(), ": ", std::strerror(errno));
}

bool write_all(int descriptor, const char* data, size_t size) {
  while (size > 0) {
    const ssize_t written = ::write(descriptor, data, size);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    data += written;
    size -= static_cast<size_t>(written);
  }
  return true;
}

// Unique among the processes and threads of this machine, so that two writers of one path never share a file.
std::filesystem::path partial_path(const std::filesystem::path& path) {
  static std::atomic<uint64_t> count{0};
  std::filesystem::path partial = path;
  partial += text(".partial-", ::getpid(), "-", count.fetch_add(1));
  return partial;
}

}  // namespace

std::vector<uint8_t> read_file(const std::filesystem::path& path, uint64_t limit) {
  InputFile file(path);
  check(file.size() <= limit, "cannot read ", path.string(), ": it has ", file.size(), " bytes, the limit is ", limit);
  std::vector<uint8_t> bytes(file.size());
  file.read(bytes.data(), bytes.size());
  return bytes;
}

void write_file_atomically(const std::filesystem::path& path, std::string_view contents, Durability durability) {
  const std::filesystem::path partial = partial_path(path);
  Descriptor file(::open(partial.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (file.get() < 0) fail_with_errno("cannot create", partial);
  const bool on_disk = durability == Durability::power;
  bool written = write_all(file.get(), contents.data(), contents.size()) && (!on_disk || ::fsync(file.get()) == 0);
  int error = errno;
  if (!file.close() && written) {
    written = false;
    error = errno;
  }
  if (written && std::rename(partial.c_str(), path.c_str()) != 0) {
    written = false;
    error = errno;
  }
  if (!written) {
    ::unlink(partial.c_str());
    errno = error;
    fail_with_errno("cannot write", path);
  }
  if (on_disk) flush_folder(path.has_parent_path() ? path.parent_path() : ".");
}

void flush_folder(const std::filesystem::path& folder) {
  const Descriptor descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (descriptor.get() < 0) fail_with_errno("cannot open the folder", folder);
  // Some file systems cannot flush a folder; what is in it is whole all the same.
  if (::fsync(descriptor.get()) != 0 && errno != EINVAL && errno != ENOTSUP)
    fail_with_errno("cannot flush the folder", folder);
}

void write_file_atomically(const std::filesystem::path& path, std::span<const uint8_t> bytes, Durability durability) {
  write_file_atomically(path, std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()), durability);
}

}  // namespace tessera
