#include "io/input_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "io/printable.h"
#include "tensor/error.h"

namespace tessera {

// Without O_NONBLOCK opening a named pipe would wait for a writer before its kind can be seen. It has no effect on
// files.
InputFile::InputFile(const std::filesystem::path& path)
    : path_(path), descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
  check(descriptor_ >= 0, "cannot open ", shown(path), ": ", std::strerror(errno));
  struct stat status {};
  const bool known = ::fstat(descriptor_, &status) == 0;
  const int error = errno;
  if (!known || !S_ISREG(status.st_mode)) ::close(std::exchange(descriptor_, -1));
  check(known, "cannot read ", shown(path), ": ", std::strerror(error));
  check(descriptor_ >= 0, "cannot read ", shown(path), ": it is not a regular file");
  size_ = static_cast<uint64_t>(status.st_size);
}

InputFile::~InputFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void InputFile::seek(uint64_t position) {
  check(::lseek(descriptor_, static_cast<off_t>(position), SEEK_SET) >= 0, "cannot read ", shown(path_), ": ",
        std::strerror(errno));
}

void InputFile::read(void* to, uint64_t bytes) {
  constexpr uint64_t kPiece = uint64_t{1} << 30;  // read(2) moves at most 2 GiB at once
  auto* out = static_cast<char*>(to);
  while (bytes > 0) {
    const ssize_t got = ::read(descriptor_, out, std::min(bytes, kPiece));
    if (got < 0 && errno == EINTR) continue;
    check(got >= 0, "cannot read ", shown(path_), ": ", std::strerror(errno));
    check(got > 0, "cannot read ", shown(path_), ": it became shorter while being read");
    out += got;
    bytes -= static_cast<uint64_t>(got);
  }
}

uint64_t InputFile::read_at(uint64_t position, void* to, uint64_t bytes) const {
  uint64_t done = 0;
  while (done < bytes) {
    const ssize_t got = ::pread(descriptor_, static_cast<char*>(to) + done, std::min(bytes - done, uint64_t{1} << 30),
                                static_cast<off_t>(position + done));
    if (got < 0 && errno == EINTR) continue;
    check(got >= 0, "cannot read ", shown(path_), ": ", std::strerror(errno));
    if (got == 0) break;
    done += static_cast<uint64_t>(got);
  }
  return done;
}

int InputFile::release() { return std::exchange(descriptor_, -1); }

}  // namespace tessera
