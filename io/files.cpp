#include "io/files.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "io/input_file.h"
#include "io/printable.h"
#include "tensor/error.h"

namespace tessera {
namespace {

constexpr uint64_t kPieceBytes = 256 << 10;

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(Descriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
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
  fail(what, " ", shown(path), ": ", std::strerror(errno));
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
  check(file.size() <= limit, "cannot read ", shown(path), ": it has ", file.size(), " bytes, the limit is ", limit);
  std::vector<uint8_t> bytes(file.size());
  file.read(bytes.data(), bytes.size());
  return bytes;
}

TextPieces file_pieces(const std::filesystem::path& path) {
  struct State {
    InputFile file;
    uint64_t left;
    std::string buffer;
    explicit State(const std::filesystem::path& path) : file(path), left(file.size()) {}
  };
  return [state = std::make_shared<State>(path)]() -> std::string_view {
    state->buffer.resize(std::min(state->left, kPieceBytes));
    state->file.read(state->buffer.data(), state->buffer.size());
    state->left -= state->buffer.size();
    return state->buffer;
  };
}

TextPieces pieces_of(std::string_view text) {
  return [text]() mutable { return std::exchange(text, {}); };
}

void for_each_line(const TextPieces& pieces, const std::function<void(std::string_view line)>& handle) {
  std::string begun;  // of a line that goes on in the next piece
  for (std::string_view piece = pieces(); !piece.empty(); piece = pieces()) {
    for (size_t end = piece.find('\n'); end != std::string_view::npos; end = piece.find('\n')) {
      if (begun.empty()) {
        handle(piece.substr(0, end));
      } else {
        begun += piece.substr(0, end);
        handle(begun);
        begun.clear();
      }
      piece.remove_prefix(end + 1);
    }
    begun += piece;
  }
  if (!begun.empty()) handle(begun);
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
