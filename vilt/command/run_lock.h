// Held while a run is trained, so that two processes do not write into one folder. The system releases it with the
// process, however that ends.
#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "io/printable.h"
#include "tensor/error.h"

namespace tessera::command {

class RunLock {
 public:
  explicit RunLock(const std::filesystem::path& run) {
    std::filesystem::create_directories(run);
    file_ = open((run / ".lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0666);
    check(file_ >= 0, shown(run), ": cannot be written to: ", std::strerror(errno));
    check(flock(file_, LOCK_EX | LOCK_NB) == 0, shown(run), ": another process is training there");
  }
  ~RunLock() { close(file_); }
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

 private:
  int file_ = -1;
};

}  // namespace tessera::command
