#include "data/tasks/rank_histogram.h"

#include <doctest/doctest.h>

#include <numeric>

#include "data/tasks/retrieval_metrics.h"
#include "tensor/error.h"

namespace tessera::rank_histogram_test {

TEST_CASE("Bins of ranks end at 1, 2 and 5 times powers of ten, and hold every rank once") {
  std::vector<int64_t> ranks(1234);
  std::iota(ranks.begin(), ranks.end(), 1);
  const std::vector<RankBin> bins = rank_histogram(ranks, 1234);
  CHECK(bins.size() == 11);
  CHECK(bins[2].first == 3);
  CHECK(bins[2].last == 5);
  CHECK(bins[3].last == 10);
  CHECK(bins.back().first == 1001);
  CHECK(bins.back().last == 2000);
  CHECK(bins.back().count == 234);
  for (size_t i = 0; i + 1 < bins.size(); ++i) {
    CHECK(bins[i].count == bins[i].last - bins[i].first + 1);
    CHECK(bins[i + 1].first == bins[i].last + 1);
  }
}

TEST_CASE("One rank, none, and those that are none") {
  CHECK(rank_histogram(std::vector<int64_t>{1, 1}, 1).size() == 1);
  CHECK(rank_histogram(std::vector<int64_t>{1, 1}, 1)[0].count == 2);
  CHECK(rank_histogram({}, 0).empty());
  CHECK(rank_histogram({}, 3).size() == 3);
  CHECK_THROWS_AS(rank_histogram(std::vector<int64_t>{0}, 3), Error);
  CHECK_THROWS_AS(rank_histogram(std::vector<int64_t>{4}, 3), Error);
}

TEST_CASE("A rank follows the rule for equal scores") {
  const Standing standing{.greater = 3, .tied = 4, .tied_right = 1, .before = 1, .behind = 2};
  CHECK(rank_of(standing) == 7);
  CHECK(rank_of(standing, TieRule::optimistic) == 4);
  CHECK(rank_of(standing, TieRule::index) == 5);
  CHECK(rank_of(standing, TieRule::reverse) == 6);
  CHECK_FALSE(rank_of(standing, TieRule::expected).has_value());
  CHECK_FALSE(rank_of(Standing{.greater = 3}).has_value());
}

}  // namespace tessera::rank_histogram_test
