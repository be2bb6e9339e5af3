#include "data/tasks/rank_histogram.h"

#include <algorithm>

#include "tensor/error.h"

namespace tessera {

std::vector<RankBin> rank_histogram(std::span<const int64_t> ranks, int64_t largest) {
  std::vector<RankBin> bins;
  int64_t first = 1;
  for (int64_t power = 1; first <= largest; power *= 10)
    for (const int64_t factor : {1, 2, 5}) {
      if (first > largest) break;
      bins.push_back({first, factor * power, 0});
      first = factor * power + 1;
    }
  for (const int64_t rank : ranks) {
    check(rank >= 1 && rank <= largest, "histogram: the rank ", rank, ", expected 1 to ", largest);
    ++std::ranges::lower_bound(bins, rank, {}, &RankBin::last)->count;
  }
  return bins;
}

}  // namespace tessera
