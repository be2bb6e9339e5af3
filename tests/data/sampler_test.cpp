#include "data/sampler.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "data/quarantine.h"
#include "tensor/error.h"

namespace tessera::sampler_test {
namespace {

SamplerOptions options_of(int64_t batch_size, int64_t curriculum_steps = 0, uint64_t seed = 0) {
  return {batch_size, seed, curriculum_steps};
}

}  // namespace

TEST_CASE("Every epoch has each sample once, in an order of its own, across the ends of batches") {
  const Sampler sampler(10, options_of(4));  // epochs end within a step
  std::vector<int64_t> drawn;
  for (int64_t step = 0; step < 5; ++step)
    for (const int64_t sample : sampler.samples(step)) drawn.push_back(sample);
  REQUIRE(drawn.size() == 20);
  const std::vector<int64_t> first(drawn.begin(), drawn.begin() + 10), second(drawn.begin() + 10, drawn.end());
  for (const auto& epoch : {first, second}) {
    const std::set<int64_t> all(epoch.begin(), epoch.end());
    CHECK(all.size() == 10);
    CHECK(*all.begin() == 0);
    CHECK(*all.rbegin() == 9);
  }
  CHECK(first != second);
  CHECK_FALSE(std::is_sorted(first.begin(), first.end()));
}

TEST_CASE("A step is a function of seed and number, whatever was asked for before") {
  const Sampler one(1000, options_of(7)), two(1000, options_of(7)), other(1000, options_of(7, 0, 1));
  const auto late = one.samples(900);  // the seventh epoch
  for (int64_t step = 0; step < 900; step += 100) two.samples(step);
  CHECK(two.samples(900) == late);
  CHECK(one.samples(0) == two.samples(0));  // an epoch that was forgotten
  CHECK(other.samples(900) != late);
}

TEST_CASE("One sample, and fewer samples than a batch has") {
  CHECK(Sampler(1, options_of(3)).samples(5) == std::vector<int64_t>{0, 0, 0});
  const std::vector<int64_t> drawn = Sampler(2, options_of(5)).samples(0);
  CHECK(std::count(drawn.begin(), drawn.begin() + 4, 0) == 2);
}

TEST_CASE("The first steps are of the curriculum, the others of everything") {
  const Sampler sampler(30, options_of(5, 4), {3, 8, 11});
  std::set<int64_t> later;
  for (int64_t step = 0; step < 10; ++step) {
    CHECK(sampler.candidates(step) == (step < 4 ? 3 : 30));
    for (const int64_t sample : sampler.samples(step)) {
      if (step < 4) CHECK((sample == 3 || sample == 8 || sample == 11));
      if (step >= 4) later.insert(sample);
    }
  }
  CHECK(later.size() == 30);  // six steps of five: the epoch begins where the curriculum ends
  CHECK(*sampler.replacement(0, 0, [](int64_t sample) { return sample != 3 && sample != 11; }) == 8);
}

TEST_CASE("Ranks share out the slots of a step: together they hold what one rank holds") {
  const Sampler whole(100, options_of(12, 2), {1, 2, 3, 4, 5});
  for (const int64_t ranks : {2, 3, 12})
    for (const int64_t step : {0, 1, 2, 9}) {
      std::vector<int64_t> joined;
      for (int64_t rank = 0; rank < ranks; ++rank) {
        const Sampler part(100, options_of(12, 2), {1, 2, 3, 4, 5}, {rank, ranks});
        CHECK(part.slots() == 12 / ranks);
        CHECK(part.first_slot() == static_cast<int64_t>(joined.size()));
        for (const int64_t sample : part.samples(step)) joined.push_back(sample);
      }
      CHECK(joined == whole.samples(step));
    }
}

TEST_CASE("A replacement is drawn by seed, step and slot; no sample is looked at before it is drawn") {
  const Sampler sampler(50, options_of(10)), second(50, options_of(10), {}, {1, 2});
  std::vector<int64_t> asked;
  const auto odd = [&](int64_t sample) {
    asked.push_back(sample);
    return sample % 2 == 1;
  };
  const std::optional<int64_t> drawn = sampler.replacement(3, 7, odd);
  REQUIRE(drawn.has_value());
  CHECK(*drawn % 2 == 1);
  CHECK(asked.back() == *drawn);
  for (size_t i = 0; i + 1 < asked.size(); ++i) CHECK(asked[i] % 2 == 0);
  CHECK(second.replacement(3, 7, odd) == drawn);  // the same on the rank whose slot it is
  std::set<int64_t> different;
  for (int64_t slot = 0; slot < 10; ++slot) different.insert(*sampler.replacement(3, slot, odd));
  CHECK(different.size() > 3);
  // Where a hundred draws find nothing, all are tried in order.
  CHECK(Sampler(100'000, options_of(1)).replacement(0, 0, [](int64_t sample) { return sample == 77'777; }) == 77'777);
  CHECK_FALSE(sampler.replacement(0, 0, [](int64_t) { return false; }).has_value());
}

TEST_CASE("What cannot be sampled") {
  CHECK_THROWS_WITH(Sampler(0, options_of(1)), "sampler: 0 samples, expected at least 1");
  CHECK_THROWS_WITH(Sampler(5, options_of(1, 2)), "sampler: 2 steps of a curriculum without samples");
  CHECK_THROWS_WITH(Sampler(5, options_of(4), {}, {2, 2}), "sampler: rank 2 of 2");
  CHECK_THROWS_WITH(Sampler(5, options_of(4), {}, {0, 3}), "sampler: 3 ranks do not share out 4 samples evenly");
}

TEST_CASE("The quarantine names an image once, and stops when there are more than its limit") {
  std::vector<std::string> reports;
  Quarantine quarantine(2, [&](const std::string& reason) { reports.push_back(reason); });
  quarantine.add(7, "seven");
  quarantine.add(7, "seven again");
  quarantine.add(9, "nine");
  CHECK(reports == std::vector<std::string>{"seven", "nine"});
  CHECK(quarantine.count() == 2);
  CHECK(quarantine.contains(9));
  CHECK_FALSE(quarantine.contains(8));
  CHECK_THROWS_WITH(quarantine.add(1, "one"),
                    "data: 3 images cannot be used, more than data.max_bad_files (2); the last: one");
  CHECK(reports.back() == "one");
}

}  // namespace tessera::sampler_test
