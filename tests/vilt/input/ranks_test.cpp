// What the ranks of a run make of a step.
#include <doctest/doctest.h>

#include <set>

#include "tests/vilt/input/collator_bench.h"

namespace tessera::ranks_test {

using tests::CollatorBench;
using tests::ids_of;
using tests::options_of;
using tests::pixels_of;
using tests::tiny_scenes;
using tests::TinyScenes;

TEST_CASE("Ranks make the pairs that one rank makes, and decode no picture of another's") {
  CollatorOptions options = options_of(12);
  options.max_patches = 10;
  options.sibling_negatives = 0.5;
  const CollatorBench whole(options);
  for (const int64_t ranks : {2, 3}) {
    options.accumulate = 2;
    for (const int64_t step : {0, 4}) {
      const PretrainBatch expected = whole.collator.step(step)[0];
      const auto labels = expected.objectives.pair_labels.to_vector<int64_t>();
      size_t slot = 0;
      for (int64_t rank = 0; rank < ranks; ++rank) {
        const CollatorBench part(options, tiny_scenes().open("train"), TinyScenes::sample_options(), 100,
                                 {rank, ranks});
        const auto batches = part.collator.step(step);
        REQUIRE(batches.size() == 2);
        int64_t shown = 0;  // bytes of the pictures in this rank's batches, each counted once
        std::set<std::vector<float>> pictures;
        for (const PretrainBatch& batch : batches) {
          const auto own = batch.objectives.pair_labels.to_vector<int64_t>();
          const auto pairs = static_cast<size_t>(batch.pairs());
          REQUIRE(static_cast<int64_t>(pairs) == 12 / ranks / 2);
          for (size_t i = 0; i < pairs; ++i, ++slot) {
            CHECK(batch.sample_ids[i] == expected.sample_ids[slot]);
            CHECK(own[i] == labels[slot]);
            for (const size_t pass : {size_t{0}, size_t{1}}) {
              const SequenceLayout& got = batch.packed.sequences[pass * pairs + i];
              const SequenceLayout& one = expected.packed.sequences[pass * 12 + slot];
              CHECK(ids_of(batch.packed, pass * pairs + i) == ids_of(expected.packed, pass * 12 + slot));
              CHECK(got.patch_order == one.patch_order);
              CHECK(pixels_of(batch.packed, got) == pixels_of(expected.packed, one));
              pictures.insert(pixels_of(batch.packed, got));
            }
          }
        }
        for (const std::vector<float>& picture : pictures) shown += static_cast<int64_t>(picture.size());
        CHECK(part.source.cached_bytes() == shown);  // a byte in the cache is a value of a picture that was decoded
      }
      CHECK(slot == 12);
    }
  }
}

TEST_CASE("False images from the batch are from the rank's own part of it") {
  CollatorOptions options = options_of(12);
  options.false_images_in_batch = true;
  for (int64_t rank = 0; rank < 3; ++rank) {
    const CollatorBench part(options, tiny_scenes().open("train"), TinyScenes::sample_options(), 100, {rank, 3});
    const PretrainBatch batch = part.collator.step(1)[0];
    int64_t own = 0;
    std::set<int64_t> images;
    for (const int64_t id : batch.sample_ids) images.insert(part.source.image_of(part.sentence_with_id(id)));
    for (const int64_t image : images) own += static_cast<int64_t>(part.source.resized(image)->image.pixels.size());
    CHECK(part.source.cached_bytes() == own);
  }
}

}  // namespace tessera::ranks_test
