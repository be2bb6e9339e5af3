// How often which rank was given, in bins that grow with it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace tessera {

struct RankBin {
  int64_t first = 1, last = 1;  // ranks, both in it
  int64_t count = 0;
};

// Bins 1, 2, 3–5, 6–10, 11–20, 21–50, … (ends at 1, 2 and 5 times powers of ten), as many as reach `largest`. Every
// rank is at least 1; those above `largest` are an error.
std::vector<RankBin> rank_histogram(std::span<const int64_t> ranks, int64_t largest);

}  // namespace tessera
