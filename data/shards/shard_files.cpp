#include "data/shards/shard_files.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "data/shards/sources.h"
#include "io/input_file.h"
#include "io/printable.h"
#include "io/unpacking.h"
#include "tensor/error.h"

namespace tessera {
namespace {

bool is_packed_file(const std::string& shard) {
  const InputFile file{std::filesystem::path(shard)};
  char first[4] = {};
  const uint64_t count = file.read_at(0, first, sizeof first);
  return is_packed({first, static_cast<size_t>(count)});
}

}  // namespace

OpenShard::OpenShard(const std::string& shard) : shard_(shown(shard)) {
  if (!shard.starts_with(kPipe) && !is_packed_file(shard))
    descriptor_ = InputFile(std::filesystem::path(shard)).release();
  else
    unpack(shard);
}

OpenShard::~OpenShard() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

// The file has no name any more when it is written to: nothing of it outlives the process.
void OpenShard::unpack(const std::string& shard) {
  std::string path = (std::filesystem::temp_directory_path() / "tessera-shard-XXXXXX").string();
  descriptor_ = ::mkostemp(path.data(), O_CLOEXEC);
  const auto check_written = [&](bool written) {
    check(written, "cannot unpack ", shard_, " into ", std::filesystem::temp_directory_path().string(), ": ",
          std::strerror(errno), " (TMPDIR names another folder)");
  };
  check_written(descriptor_ >= 0);
  ::unlink(path.c_str());
  TextPieces pieces;
  for (;;) {
    std::string_view piece;
    try {
      if (!pieces) pieces = open_shard(shard);
      piece = pieces();
    } catch (const Error& error) {
      error_ = error.what();
    }
    if (piece.empty()) return;
    while (!piece.empty()) {
      const ssize_t done = ::write(descriptor_, piece.data(), piece.size());
      if (done < 0 && errno == EINTR) continue;
      if (done < 0) {
        const int error = errno;
        ::close(descriptor_);
        descriptor_ = -1;
        errno = error;
      }
      check_written(done >= 0);
      piece.remove_prefix(static_cast<size_t>(done));
    }
  }
}

size_t OpenShard::read(uint64_t position, char* to, size_t bytes) const {
  for (;;) {
    const ssize_t done = ::pread(descriptor_, to, bytes, static_cast<off_t>(position));
    if (done < 0 && errno == EINTR) continue;
    check(done >= 0, "cannot read ", shard_, ": ", std::strerror(errno));
    if (done == 0 && !error_.empty()) throw Error(error_);
    return static_cast<size_t>(done);
  }
}

std::shared_ptr<const OpenShard> ShardFiles::open(size_t shard) const {
  std::shared_ptr<Entry> entry;
  {
    const std::lock_guard lock(mutex_);
    std::shared_ptr<Entry>& found = entries_[shard];
    if (!found) found = std::make_shared<Entry>();
    found->used = ++uses_;
    entry = found;
    if (entries_.size() > most_)
      entries_.erase(std::min_element(entries_.begin(), entries_.end(),
                                      [](const auto& a, const auto& b) { return a.second->used < b.second->used; }));
  }
  const std::lock_guard lock(entry->mutex);  // others wait for this shard alone
  if (!entry->file) entry->file = std::make_shared<const OpenShard>(shards_[shard]);
  return entry->file;
}

}  // namespace tessera
