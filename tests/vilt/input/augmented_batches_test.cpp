#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "data/images/rand_augment.h"
#include "tests/error_text.h"
#include "tests/vilt/input/batch_equality.h"
#include "tests/vilt/input/collator_bench.h"

namespace tessera::augmented_batches_test {
namespace {

using tests::CollatorBench;
using tests::options_of;
using tests::tiny_scenes;

CollatorOptions augmenting(uint64_t seed = 0) {
  CollatorOptions options = options_of();
  options.rand_augment = true;
  options.seed = seed;
  return options;
}

std::vector<float> pixels_of(const PackedBatch& batch, int image) {
  int64_t first = 0;
  for (int i = 0; i < image; ++i) first += int64_t{batch.grids[i].rows} * batch.grids[i].columns;
  const Grid grid = batch.grids[static_cast<size_t>(image)];
  return batch.patches.narrow(0, first, int64_t{grid.rows} * grid.columns).to_vector<float>();
}

}  // namespace

TEST_CASE("Augmented batches are a function of seed and step alone, with any cache") {
  SampleOptions uncached = tests::TinyScenes::sample_options(), small = uncached;
  uncached.cache_bytes = 0;
  small.cache_bytes = 50'000;
  const CollatorBench bench(augmenting()), without(augmenting(), tiny_scenes().open("train"), uncached),
      little(augmenting(), tiny_scenes().open("train"), small), other(augmenting(1));
  const auto later = bench.collator.step(7);  // asked for before the earlier ones
  for (int64_t step = 0; step < 4; ++step) bench.collator.step(step);
  CHECK(tests::equal(later, bench.collator.step(7)));
  CHECK(tests::equal(later, without.collator.step(7)));
  CHECK(tests::equal(later, little.collator.step(7)));
  CHECK_FALSE(tests::equal(later, other.collator.step(7)));
  CHECK(bench.source.cached_bytes() > 0);
  CHECK(without.source.cached_bytes() == 0);
}

TEST_CASE("Only the pixels are augmented, in every step anew, and a picture once in a step") {
  const CollatorBench plain(options_of()), augmented(augmenting());
  std::set<std::vector<float>> looks;
  int changed = 0, pictures = 0;
  for (int64_t step = 0; step < 20; ++step) {
    const PretrainBatch before = plain.collator.step(step)[0], after = augmented.collator.step(step)[0];
    CHECK(after.sample_ids == before.sample_ids);
    CHECK(after.packed.token_ids.to_vector<int64_t>() == before.packed.token_ids.to_vector<int64_t>());
    CHECK(after.objectives.pair_labels.to_vector<int64_t>() == before.objectives.pair_labels.to_vector<int64_t>());
    REQUIRE(after.packed.sequences.size() == before.packed.sequences.size());
    for (size_t s = 0; s < after.packed.sequences.size(); ++s)
      CHECK(after.packed.sequences[s].image == before.packed.sequences[s].image);
    REQUIRE(after.packed.grids.size() == before.packed.grids.size());
    for (int i = 0; i < static_cast<int>(after.packed.grids.size()); ++i) {
      changed += pixels_of(after.packed, i) != pixels_of(before.packed, i);
      ++pictures;
    }
    for (size_t s = 0; s < 8; ++s)
      if (plain.source.image_of(plain.sentence_with_id(after.sample_ids[s])) == 3)
        looks.insert(pixels_of(after.packed, after.packed.sequences[s].image));
  }
  // Each caption comes up in four of the 20 steps; scenes are saturated, so an operation or two may change nothing.
  CHECK(looks.size() >= 2);
  CHECK(changed > pictures / 2);
}

TEST_CASE("Augmentation comes before resizing; what is not augmented stays as it is") {
  SampleOptions options;
  options.shorter = 48;
  options.patch = 16;
  const CollatorBench bench(augmenting(), tiny_scenes().open("train"), options);
  const auto path = bench.dataset.images()[5].path();
  const Image decoded = read_image(path);
  for (int draw = 0; draw < 10; ++draw) {
    Random random(9, draw);
    const auto got = bench.source.augmented(5, random);
    CHECK(got->original_height == decoded.height);
    CHECK(got->image.pixels == prepare_image(rand_augment(decoded, random), options, "x").image.pixels);
  }
  CHECK(bench.source.cached_bytes() == static_cast<int64_t>(decoded.pixels.size()));
  // Evaluation takes its pictures from `resized`.
  CHECK(bench.source.resized(5)->image.pixels == prepare_image(Image(decoded), options, "x").image.pixels);
}

TEST_CASE("The micro-batches of an augmented step have the pictures of the whole step") {
  CollatorOptions options = augmenting();
  const CollatorBench whole(options);
  options.accumulate = 4;
  const CollatorBench parts(options);
  const PretrainBatch batch = whole.collator.step(2)[0];
  const auto micro = parts.collator.step(2);
  REQUIRE(micro.size() == 4);
  for (size_t i = 0; i < 8; ++i)
    for (const size_t pass : {size_t{0}, size_t{1}})
      CHECK(pixels_of(micro[i / 2].packed, micro[i / 2].packed.sequences[2 * pass + i % 2].image) ==
            pixels_of(batch.packed, batch.packed.sequences[8 * pass + i].image));
}

TEST_CASE("A bad image is left out of augmented batches, too") {
  const tests::TemporaryDirectory directory;
  const auto file = directory.write("one.json", R"({"images": [{"filename": "gone.jpg", "imgid": 0, "split": "train",
      "sentences": [{"raw": "a red ring", "sentid": 0}]}]})");
  CollatorBench bench(augmenting(), Dataset::open(file, directory.path(), {{"train"}, {}, false}));
  CHECK(tests::lacking(tests::error_of([&] { bench.collator.step(0); }), {"not one can be used"}) == "");
  REQUIRE(bench.reports.size() == 1);
  CHECK(tests::lacking(bench.reports[0], {"gone.jpg"}) == "");
}

}  // namespace tessera::augmented_batches_test
