#include <algorithm>
#include <cstdio>
#include <vector>

#include "tensor/cuda/emulation/executor.h"
#include "tensor/cuda/kernel_name.h"

namespace tessera::simt {
namespace {

bool waits(const Thread& t) { return t.state == State::at_barrier || t.state == State::at_collective; }

// "0-15,17": the threads that wait just as thread `t` does.
std::string threads_like(const Executor& e, unsigned t) {
  std::string list;
  const auto alike = [&](unsigned u) {
    const Thread &a = e.threads[t], &b = e.threads[u];
    return a.state == b.state && a.mask == b.mask && same_site(a.site, b.site);
  };
  for (unsigned u = 0; u < e.thread_count; ++u) {
    if (!alike(u)) continue;
    unsigned last = u;
    while (last + 1 < e.thread_count && alike(last + 1)) ++last;
    list += text(list.empty() ? "" : ",", u);
    if (last > u) list += text("-", last);
    u = last;
  }
  return list;
}

}  // namespace

std::string report(const Executor& e, const std::string& problem, bool list_threads) {
  std::string result = text("simt: kernel ", cuda::kernel_name(e.launch->kernel), ", block (", e.block.x, ",",
                            e.block.y, ",", e.block.z, "): ", problem);
  if (!list_threads) return result;
  std::vector<std::string> lines;
  unsigned exited = 0;
  for (unsigned t = 0; t < e.thread_count; ++t) {
    const Thread& thread = e.threads[t];
    if (thread.state == State::exited) ++exited;
    if (!waits(thread)) continue;
    std::string line = text("\n  threads ", threads_like(e, t), " wait at ", thread.site.what, " (", thread.site.file,
                            ":", thread.site.line, ")");
    if (thread.state == State::at_collective) {
      char mask[32];
      std::snprintf(mask, sizeof mask, " with mask 0x%08x", thread.mask);
      line += mask;
    }
    if (std::find(lines.begin(), lines.end(), line) == lines.end()) lines.push_back(line);
  }
  for (const std::string& line : lines) result += line;
  if (exited) result += text("\n  ", exited, " threads have returned");
  return result;
}

}  // namespace tessera::simt
