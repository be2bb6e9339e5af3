#include "data/loader.h"

#include <doctest/doctest.h>

#include "tests/tiny_scenes.h"
#include "tests/vilt/input/batch_equality.h"
#include "vilt/input/collator.h"

namespace tessera::collator_loader_test {
namespace {

using tests::tiny_scenes;

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

}  // namespace tessera::collator_loader_test
