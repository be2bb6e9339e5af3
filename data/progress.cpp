#include "data/progress.h"

#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdio>

namespace tessera {

ProgressCallback terminal_progress(const std::string& label) {
  if (isatty(STDERR_FILENO) == 0) return {};
  using Clock = std::chrono::steady_clock;
  return [label, start = Clock::now(), shown = Clock::time_point{}](int64_t done, int64_t total) mutable {
    const auto now = Clock::now();
    const bool finished = done >= total;
    if (!finished && now - shown < std::chrono::milliseconds(100)) return;
    shown = now;
    const double seconds = std::chrono::duration<double>(now - start).count();
    std::fprintf(stderr, "\r%s %lld / %lld", label.c_str(), static_cast<long long>(done),
                 static_cast<long long>(total));
    if (!finished && done > 0)
      std::fprintf(stderr, " (%.0f s left)",
                   std::ceil(seconds * static_cast<double>(total - done) / static_cast<double>(done)));
    std::fputs(finished ? "\x1b[K\n" : "\x1b[K", stderr);
  };
}

}  // namespace tessera
