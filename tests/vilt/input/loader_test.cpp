#include "data/loader.h"

#include <doctest/doctest.h>

#include <atomic>

#include "vilt/input/collator.h"
#include "tests/vilt/input/batch_equality.h"
#include "tests/tiny_scenes.h"

namespace tessera::loader_test {
namespace {

using tests::tiny_scenes;

// A step that says its number.
std::vector<PretrainBatch> numbered(int64_t step) {
  std::vector<PretrainBatch> batches(1);
  batches[0].sample_ids = {step};
  return batches;
}

}  // namespace

TEST_CASE("Any number of workers gives the same batches, bit for bit") {
  const Dataset dataset = tiny_scenes().open("train");
  CollatorOptions options;
  options.batch_size = 4;
  options.accumulate = 2;
  options.table_side = 6;
  options.max_patches = 12;
  options.sibling_negatives = 0.5;
  std::vector<std::vector<PretrainBatch>> expected;
  for (const int workers : {1, 2, 5}) {
    const SampleSource source(dataset, tiny_scenes().vocabulary(), tests::TinyScenes::sample_options());
    Quarantine quarantine(0, {});
    const Collator collator(source, options, quarantine);
    Loader<PretrainBatch> loader([&](int64_t step) { return collator.step(step); }, 3, 15, workers, workers + 1);
    for (size_t i = 0; i < 12; ++i) {
      auto batches = loader.next();
      if (workers == 1)
        expected.push_back(std::move(batches));
      else
        CHECK(tests::equal(batches, expected[i]));
    }
    if (workers == 1) CHECK(tests::equal(expected[0], collator.step(3)));
  }
}

TEST_CASE("Steps come in order, from the first asked for, and no more than there are") {
  Loader<PretrainBatch> loader(numbered, 5, 40, 3, 4);
  for (int64_t step = 5; step < 40; ++step) CHECK(loader.next()[0].sample_ids[0] == step);
  CHECK_THROWS_WITH(loader.next(), "loader: all 40 steps have been given");
  CHECK(loader.wait_seconds() >= 0);
}

TEST_CASE("No more steps are made ahead than `prefetch`") {
  std::atomic<int64_t> furthest{-1};
  Loader<PretrainBatch> loader(
      [&](int64_t step) {
        int64_t seen = furthest;
        while (seen < step && !furthest.compare_exchange_weak(seen, step)) {
        }
        return numbered(step);
      },
      0, 100, 4, 3);
  for (int64_t step = 0; step < 50; ++step) {
    CHECK(furthest <= step + 2);  // of the steps that are not given, at most three are made or being made
    loader.next();
  }
}

TEST_CASE("What making a step throws comes out of next(), in its turn") {
  Loader<PretrainBatch> loader(
      [](int64_t step) {
        check(step != 2, "step 2 cannot be made");
        return numbered(step);
      },
      0, 10, 3, 3);
  CHECK(loader.next()[0].sample_ids[0] == 0);
  CHECK(loader.next()[0].sample_ids[0] == 1);
  CHECK_THROWS_WITH(loader.next(), "step 2 cannot be made");
  CHECK_THROWS_WITH(loader.next(), "step 2 cannot be made");
}

TEST_CASE("A loader that nobody reads stops") {
  { const Loader<PretrainBatch> loader(numbered, 0, 1000, 3, 2); }
  CHECK_THROWS_WITH(Loader<PretrainBatch>(numbered, 0, 1, 0, 1), "loader: 0 workers, 1 steps ahead; expected at least 1");
  CHECK_THROWS_WITH(Loader<PretrainBatch>(numbered, 0, 1, 1, 0), "loader: 1 workers, 0 steps ahead; expected at least 1");
}

}  // namespace tessera::loader_test
