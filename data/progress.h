// A line of progress for work of a few seconds or more.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace tessera {

using ProgressCallback = std::function<void(int64_t done, int64_t total)>;

// Rewrites one line on stderr, at most ten times a second and at the end: "label 1200 / 34000 (410/s, 1:20 left)".
// The rate counts from the first call on. Writes nothing where stderr is not a terminal.
ProgressCallback terminal_progress(const std::string& label);

}  // namespace tessera
