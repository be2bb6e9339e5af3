#include "data/progress.h"

#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdio>

#include "io/words.h"

namespace tessera {
namespace {

std::string rate_text(double rate) { return rate < 10 ? fixed_text(rate, 1) : with_thousands(std::llround(rate)); }

}  // namespace

ProgressCallback terminal_progress(const std::string& label) {
  if (isatty(STDERR_FILENO) == 0) return {};
  using Clock = std::chrono::steady_clock;
  return [label, start = Clock::now(), shown = Clock::time_point{}, before = int64_t{-1}](int64_t done,
                                                                                          int64_t total) mutable {
    const auto now = Clock::now();
    if (before < 0) before = done;  // work that goes on has done something already
    const bool finished = done >= total;
    if (!finished && now - shown < std::chrono::milliseconds(100)) return;
    shown = now;
    const double seconds = std::chrono::duration<double>(now - start).count();
    std::fprintf(stderr, "\r%s %lld / %lld", label.c_str(), static_cast<long long>(done),
                 static_cast<long long>(total));
    const auto since = static_cast<double>(done - before);
    if (since > 0 && seconds > 0)
      std::fprintf(stderr, finished ? " (%s/s, %s)" : " (%s/s, %s left)", rate_text(since / seconds).c_str(),
                   clock_text(finished ? seconds : static_cast<double>(total - done) * seconds / since).c_str());
    std::fputs(finished ? "\x1b[K\n" : "\x1b[K", stderr);
  };
}

}  // namespace tessera
