#include "data/mixture.h"

#include <doctest/doctest.h>

#include <map>
#include <numeric>
#include <set>

#include "data/sampler.h"
#include "tensor/error.h"

namespace tessera::mixture_test {

TEST_CASE("mixture: shares are those of the weights, and each part has one") {
  CHECK(Mixture({1, 1}, 0).shares() == std::vector<int64_t>{2048, 2048});
  CHECK(Mixture({1, 3}, 0).shares() == std::vector<int64_t>{1024, 3072});
  CHECK(Mixture({1, 1, 1}, 0).shares() == std::vector<int64_t>{1366, 1365, 1365});
  CHECK(Mixture({1e-9, 5, 1e-12}, 0).shares() == std::vector<int64_t>{1, 4094, 1});
  CHECK(Mixture({7}, 0).shares() == std::vector<int64_t>{4096});
  const Mixture many(std::vector<double>(2000, 0.5), 0);
  CHECK(std::accumulate(many.shares().begin(), many.shares().end(), int64_t{0}) == Mixture::kBlock);
  CHECK_THROWS_WITH_AS(Mixture({1, 0}, 0), doctest::Contains("a weight is 0"), Error);
  CHECK_THROWS_WITH_AS(Mixture({1, 1e308, 1e308}, 0), doctest::Contains("mixture: a weight"), Error);
  CHECK_THROWS_WITH_AS(Mixture({}, 0), doctest::Contains("0 parts"), Error);
}

TEST_CASE("mixture: the number of a position counts those of its part before it") {
  const Mixture mixture({1, 2, 5}, 3), again({1, 2, 5}, 3), other({1, 2, 5}, 4);
  std::map<size_t, int64_t> counts;
  int differences = 0;
  for (int64_t position = 0; position < 3 * Mixture::kBlock; ++position) {
    const Mixture::Place place = mixture.place(position);
    CHECK(place.number == counts[place.part]++);
    differences += other.place(position).part != place.part;
  }
  CHECK(differences > 1000);
  for (const int64_t position : {int64_t{9000}, int64_t{5}, int64_t{1} << 40, int64_t{4096}}) {
    CHECK(again.place(position).part == mixture.place(position).part);
    CHECK(again.place(position).number == mixture.place(position).number);
  }
}

TEST_CASE("mixture: a sampler draws its parts by weight, each in epochs of its own, whatever the ranks") {
  SamplerOptions options{.batch_size = 64, .seed = 1};
  options.parts = {{1000, 1}, {10, 1}, {50, 2}};
  const Sampler sampler(1060, options);
  std::map<int64_t, int> drawn;
  for (int64_t step = 0; step < Mixture::kBlock / 64; ++step)
    for (const int64_t sample : sampler.samples(step)) ++drawn[sample];
  int large = 0;
  for (int64_t i = 0; i < 1000; ++i) {
    large += drawn[i];
    CHECK((drawn[i] == 1 || drawn[i] == 2));  // 1,024 of 1,000
  }
  CHECK(large == 1024);
  for (int64_t i = 1000; i < 1010; ++i) CHECK((drawn[i] == 102 || drawn[i] == 103));
  for (int64_t i = 1010; i < 1060; ++i) CHECK((drawn[i] == 40 || drawn[i] == 41));

  const Sampler later(1060, options);
  CHECK(later.samples(5000) == Sampler(1060, options).samples(5000));
  std::vector<int64_t> shared;
  for (int64_t rank = 0; rank < 4; ++rank)
    for (const int64_t sample : Sampler(1060, options, {}, {rank, 4}).samples(70)) shared.push_back(sample);
  CHECK(shared == sampler.samples(70));

  // A replacement is of the same part, as long as there is one.
  const std::vector<int64_t> samples = sampler.samples(9);
  for (int64_t slot = 0; slot < 64; ++slot) {
    const auto part = [](int64_t sample) { return sample < 1000 ? 0 : sample < 1010 ? 1 : 2; };
    const int64_t bad = samples[static_cast<size_t>(slot)];
    const auto other = sampler.replacement(9, slot, [&](int64_t sample) { return sample != bad; });
    REQUIRE(other.has_value());
    CHECK(part(*other) == part(bad));
    CHECK(sampler.replacement(9, slot, [](int64_t sample) { return sample == 3; }) == 3);
  }
  CHECK_THROWS_WITH_AS(Sampler(1059, options), doctest::Contains("the parts have 1060 samples, expected 1059"), Error);
}

}  // namespace tessera::mixture_test
