// The one way in which a file that somebody else wrote is opened: it has to be a regular file, and nothing waits, as it
// would for the writer of a named pipe. Every error names the path and says what the system answered.
#pragma once

#include <cstdint>
#include <filesystem>

namespace tessera {

class InputFile {
 public:
  explicit InputFile(const std::filesystem::path& path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  const std::filesystem::path& path() const { return path_; }
  uint64_t size() const { return size_; }
  void seek(uint64_t position);
  // The next `bytes` bytes; an error if the file has become shorter than that.
  void read(void* to, uint64_t bytes);
  // From `position` on as many of the bytes as there are; how many. Several threads may read at once.
  uint64_t read_at(uint64_t position, void* to, uint64_t bytes) const;
  // The open file, for a library that reads by itself and closes it.
  int release();

 private:
  std::filesystem::path path_;
  int descriptor_;
  uint64_t size_ = 0;
};

}  // namespace tessera
