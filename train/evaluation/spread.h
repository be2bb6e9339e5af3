#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace tessera {

// `limit` of the numbers 0 … all - 1, evenly spread; 0: all.
inline std::vector<int64_t> spread(int64_t all, int64_t limit) {
  const int64_t count = limit > 0 ? std::min(limit, all) : all;
  std::vector<int64_t> out;
  for (int64_t i = 0; i < count; ++i) out.push_back(i * all / count);
  return out;
}

}  // namespace tessera
