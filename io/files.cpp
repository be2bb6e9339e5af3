#include "io/files.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "io/input_file.h"
#include "io/output_file.h"
#include "io/printable.h"
#include "tensor/error.h"

namespace tessera {
namespace {

constexpr uint64_t kPieceBytes = 256 << 10;

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
  OutputFile file(path);
  file.write(contents);
  file.put_in_place(durability);
}

void flush_folder(const std::filesystem::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  check(descriptor >= 0, "cannot open the folder ", shown(folder), ": ", std::strerror(errno));
  const bool flushed = ::fsync(descriptor) == 0;
  const int error = errno;
  ::close(descriptor);
  // Some file systems cannot flush a folder; what is in it is whole all the same.
  check(flushed || error == EINVAL || error == ENOTSUP, "cannot flush the folder ", shown(folder), ": ",
        std::strerror(error));
}

void write_file_atomically(const std::filesystem::path& path, std::span<const uint8_t> bytes, Durability durability) {
  write_file_atomically(path, std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()), durability);
}

}  // namespace tessera
