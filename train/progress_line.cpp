#include "train/progress_line.h"

#include <unistd.h>

#include <cstdio>

namespace tessera {

ProgressLine::ProgressLine() : terminal_(isatty(STDERR_FILENO) != 0) {}

void ProgressLine::show(const std::string& line) const {
  if (terminal_) std::fputs(("\r\033[K" + line).c_str(), stderr);
}

}  // namespace tessera
