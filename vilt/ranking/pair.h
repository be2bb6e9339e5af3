#pragma once

#include <cstdint>

namespace tessera {

// By numbers, from 0 on.
struct Pair {
  int64_t picture = 0, text = 0;
};

}  // namespace tessera
