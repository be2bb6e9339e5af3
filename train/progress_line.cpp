#include "train/progress_line.h"

#include <unistd.h>

#include <iostream>

namespace tessera {

ProgressLine::ProgressLine() : terminal_(isatty(STDERR_FILENO) != 0) {}

void ProgressLine::show(const std::string& line) const {
  if (terminal_) std::cerr << "\r\033[K" + line << std::flush;
}

}  // namespace tessera
