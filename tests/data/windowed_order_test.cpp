// The order of samples in runs, and what a sampler makes of it.
#include "data/windowed_order.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "data/sampler.h"
#include "tensor/error.h"
#include "tests/error_text.h"

namespace tessera::windowed_order_test {
namespace {

// Runs of these lengths, one after another.
std::vector<SampleRun> runs_of(const std::vector<int64_t>& lengths) {
  std::vector<SampleRun> out;
  int64_t first = 0;
  for (const int64_t length : lengths) {
    out.push_back({first, length});
    first += length;
  }
  return out;
}

std::vector<int64_t> samples_of(const WindowedOrder& order, int64_t begin, int64_t end) {
  std::vector<int64_t> out;
  for (int64_t at = begin; at < end; ++at) out.push_back(order.sample(at));
  return out;
}

size_t run_of(const std::vector<SampleRun>& runs, int64_t sample) {
  size_t run = 0;
  while (run + 1 < runs.size() && runs[run + 1].first <= sample) ++run;
  return run;
}

SamplerOptions options_of(int64_t batch, const std::vector<int64_t>& runs, int64_t window) {
  int64_t count = 0;
  for (const int64_t length : runs) count += length;
  return {.batch_size = batch, .parts = {{count, 1, runs}}, .window = window};
}

}  // namespace

TEST_CASE("Windowed order: each epoch has every sample once, in an order of its own") {
  const std::vector<SampleRun> runs = runs_of({7, 1, 20, 5, 7, 13, 2});
  for (const int64_t window : {1, 3, 8, 16, 55, 1000}) {
    CAPTURE(window);
    const WindowedOrder order(runs, window, 55, 3, 0);
    std::vector<int64_t> before;
    for (int64_t epoch = 0; epoch < 6; ++epoch) {
      const std::vector<int64_t> drawn = samples_of(order, 55 * epoch, 55 * (epoch + 1));
      std::vector<int64_t> sorted = drawn;
      std::sort(sorted.begin(), sorted.end());
      for (int64_t i = 0; i < 55; ++i) CHECK(sorted[static_cast<size_t>(i)] == i);
      CHECK(drawn != before);
      before = drawn;
    }
  }
}

TEST_CASE("Windowed order: what a window holds lies in few runs, which follow one another in the epoch's order") {
  const std::vector<SampleRun> runs = runs_of(std::vector<int64_t>(40, 10));
  const WindowedOrder order(runs, 25, 400, 9, 0);
  std::set<size_t> done;
  size_t latest_of_before = 1000;
  for (int64_t at = 0; at < 400;) {
    const auto window = order.window(at);
    CHECK(window->size() == 25);
    std::set<size_t> here;
    for (const int64_t sample : *window) here.insert(run_of(runs, sample));
    CHECK(here.size() <= 4);
    // At most the run that was cut by the window's beginning was in an earlier one.
    for (const size_t run : here)
      if (done.contains(run)) CHECK(run == latest_of_before);
    CHECK(samples_of(order, at, at + 25) == *window);
    CHECK_FALSE(std::is_sorted(window->begin(), window->end()));
    done.insert(here.begin(), here.end());
    for (const size_t run : here) {
      const int64_t whole =
          std::count_if(window->begin(), window->end(), [&](int64_t s) { return run_of(runs, s) == run; });
      if (whole < 10) latest_of_before = run;
    }
    at += 25;
  }
}

TEST_CASE("Windowed order: the windows of an epoch are of nearly one size") {
  const WindowedOrder order(runs_of({30, 30, 41}), 50, 101, 0, 0);
  std::set<size_t> sizes;
  for (int64_t at = 0; at < 101; ++at) sizes.insert(order.window(at)->size());
  CHECK(sizes == std::set<size_t>{33, 34});
}

TEST_CASE("Windowed order: a place's sample is the same whatever was asked for before; seeds and parts differ") {
  const std::vector<SampleRun> runs = runs_of({9, 30, 11, 50});
  const WindowedOrder one(runs, 10, 100, 3, 0), two(runs, 10, 100, 3, 0), seed(runs, 10, 100, 4, 0),
      part(runs, 10, 100, 3, 1);
  const std::vector<int64_t> late = samples_of(one, 730, 760);
  samples_of(two, 0, 700);
  CHECK(samples_of(two, 730, 760) == late);
  CHECK(samples_of(two, 5, 8) == samples_of(one, 5, 8));  // of an epoch that was forgotten
  CHECK(samples_of(seed, 730, 760) != late);
  CHECK(samples_of(part, 730, 760) != late);
  CHECK_THROWS_WITH(WindowedOrder(runs, 0, 100, 3, 0), "order: a window of 0 samples, expected at least 1");
  CHECK_THROWS_WITH(WindowedOrder(runs, 10, 101, 3, 0), "order: epochs of 101 of 100 samples");
}

TEST_CASE("Windowed sampler: any number of ranks read runs of their own, with epochs of one length") {
  const std::vector<int64_t> lengths{8, 3, 0, 12, 5, 9, 11, 4, 6};
  const std::vector<SampleRun> runs = runs_of(lengths);
  for (const int64_t ranks : {1, 2, 3, 6}) {
    CAPTURE(ranks);
    std::vector<std::set<size_t>> read(static_cast<size_t>(ranks));
    std::vector<std::multiset<int64_t>> drawn(static_cast<size_t>(ranks));
    for (int64_t rank = 0; rank < ranks; ++rank) {
      const Sampler sampler(58, options_of(12, lengths, 7), {}, {rank, ranks});
      for (int64_t step = 0; step < 10; ++step)
        for (const int64_t sample : sampler.samples(step)) {
          read[static_cast<size_t>(rank)].insert(run_of(runs, sample));
          drawn[static_cast<size_t>(rank)].insert(sample);
          Random random(1, step);
          for (int64_t slot = 0; slot < sampler.slots(); ++slot)
            read[static_cast<size_t>(rank)].insert(
                run_of(runs, sampler.of_window(step, sampler.first_slot() + slot, random)));
        }
    }
    std::set<size_t> all;
    size_t sum = 0;
    for (const auto& of_rank : read) {
      all.insert(of_rank.begin(), of_rank.end());
      sum += of_rank.size();
    }
    CHECK(sum == all.size());  // no run is read by two
    CHECK(all.size() == 8);    // and each that has samples is read
    // 120 places of 58 samples: an epoch more or less of any rank would show in how often a sample comes.
    if (ranks == 1)
      for (int64_t sample = 0; sample < 58; ++sample) CHECK(drawn[0].count(sample) >= 2);
  }
  CHECK(tests::error_of([&] {
          Sampler(58, options_of(18, lengths, 7), {}, {0, 9});
        }) == "sampler: 8 shards for 9 ranks, each of which reads its own; expected at least one for each");
}

TEST_CASE("Windowed sampler: runs are shared out so that ranks have about as many samples") {
  const auto of_ranks = runs_of_ranks(runs_of({10, 9, 8, 7, 6, 5, 4, 3, 2, 1}), 3);
  std::vector<int64_t> counts;
  for (const auto& runs : of_ranks) counts.push_back(samples_in(runs));
  CHECK(counts == std::vector<int64_t>{19, 18, 18});
  for (const auto& runs : of_ranks)
    CHECK(std::is_sorted(runs.begin(), runs.end(), [](const auto& a, const auto& b) { return a.first < b.first; }));
}

TEST_CASE("Windowed sampler: a rank's epoch is as long as that of the rank that has least") {
  // 9 samples for the first rank, 5 for the second: after 5 places both begin anew.
  const Sampler first(14, options_of(2, {9, 5}, 100), {}, {0, 2});
  std::vector<int64_t> drawn;
  for (int64_t step = 0; step < 10; ++step) drawn.push_back(first.samples(step).at(0));
  const std::set<int64_t> once(drawn.begin(), drawn.begin() + 5), again(drawn.begin() + 5, drawn.end());
  CHECK(once.size() == 5);
  CHECK(again.size() == 5);
  const Sampler second(14, options_of(2, {9, 5}, 100), {}, {1, 2});
  std::set<int64_t> of_second;
  for (int64_t step = 0; step < 5; ++step) of_second.insert(second.samples(step).at(0));
  CHECK(of_second == std::set<int64_t>{9, 10, 11, 12, 13});
}

TEST_CASE("Windowed sampler: parts are drawn by weight, each with epochs and windows of its own") {
  SamplerOptions options = options_of(64, {50, 50}, 20);
  options.parts.push_back({30, 3, {10, 20}});
  const Sampler sampler(130, options);
  std::vector<int64_t> of_parts(2);
  std::vector<int64_t> second;
  for (int64_t step = 0; step < 64; ++step)
    for (const int64_t sample : sampler.samples(step)) {
      ++of_parts[sample < 100 ? 0 : 1];
      if (sample >= 100) second.push_back(sample);
    }
  CHECK(of_parts == std::vector<int64_t>{1024, 3072});
  for (size_t epoch = 0; epoch + 30 <= second.size(); epoch += 30)
    CHECK(std::set<int64_t>(second.begin() + static_cast<int64_t>(epoch),
                            second.begin() + static_cast<int64_t>(epoch) + 30)
              .size() == 30);
}

TEST_CASE("Windowed sampler: what cannot be used is replaced from the same window, or else from anywhere") {
  const std::vector<int64_t> lengths(10, 10);
  const Sampler sampler(100, options_of(4, lengths, 10));
  for (int64_t step = 0; step < 25; ++step)
    for (int64_t slot = 0; slot < 4; ++slot) {
      const int64_t sample = sampler.samples(step)[static_cast<size_t>(slot)];
      const auto other = sampler.replacement(step, slot, [&](int64_t candidate) { return candidate != sample; });
      REQUIRE(other);
      CHECK(*other != sample);
      CHECK(*other / 10 == sample / 10);
      CHECK(sampler.replacement(step, slot, [&](int64_t candidate) { return candidate == 57; }) == 57);
    }
  CHECK(sampler.replacement(0, 0, [](int64_t) { return false; }) == std::nullopt);
}

TEST_CASE("Windowed sampler: runs that do not make up their part, and a curriculum, are errors") {
  SamplerOptions options = options_of(4, {5, 5}, 3);
  options.parts[0].runs = {5, 4};
  CHECK(tests::error_of([&] { Sampler(10, options); }) == "sampler: the runs of part 0 have 9 samples, expected 10");
  options = options_of(4, {5, 5}, 3);
  options.curriculum_steps = 2;
  CHECK(tests::lacking(tests::error_of([&] { Sampler(10, options, {1}); }), {"has no curriculum"}) == "");
}

}  // namespace tessera::windowed_order_test
