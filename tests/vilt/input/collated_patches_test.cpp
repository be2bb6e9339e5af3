#include <doctest/doctest.h>

#include "tensor/ops/normalise_patches.h"
#include "tests/vilt/input/batch_equality.h"
#include "tests/vilt/input/collator_bench.h"

// What the model is shown of pictures: hidden patches, and levels instead of values.
namespace tessera::collated_patches_test {

using tests::CollatorBench;
using tests::ids_of;
using tests::options_of;
using tests::pixels_of;

TEST_CASE("Masked patches: clean texts with their own images; colours are those of the picture") {
  CollatorOptions options = options_of();
  options.masked_patches = true;
  options.patch_masking.rate = 0.3;
  options.max_patches = 12;
  const CollatorBench bench(options);
  const PretrainBatch batch = bench.collator.step(2)[0];
  REQUIRE(batch.packed.sequences.size() == 24);
  const auto rows = batch.objectives.target_rows.to_vector<int64_t>();
  const auto colours = batch.objectives.target_colours.to_vector<int64_t>();
  const auto gather = batch.packed.gather.to_vector<int64_t>();
  const int64_t first_replaced = batch.packed.token_ids.numel() + 1 + batch.packed.patches.size(0);
  size_t k = 0, replaced = 0;
  for (size_t i = 0; i < 8; ++i) {
    const int64_t sentence = bench.sentence_with_id(batch.sample_ids[i]);
    const SequenceLayout& sequence = batch.packed.sequences[16 + i];
    CHECK(ids_of(batch.packed, 16 + i) == bench.source.text(sentence).ids);
    const auto picture = bench.source.resized(bench.source.image_of(sentence));
    const int patch = bench.source.options().patch, columns = picture->image.width / patch;
    REQUIRE(sequence.patch_order.size() == 12);
    for (int64_t place = 0; place < sequence.patches; ++place) {
      const int64_t row = sequence.first_patch_row() + place;
      const bool is_target = k < rows.size() && rows[k] == row,
                 is_hidden = gather[static_cast<size_t>(row)] >= first_replaced;
      CHECK((is_target || !is_hidden));
      replaced += is_hidden;
      if (!is_target) continue;
      const int64_t raster = sequence.patch_order[static_cast<size_t>(place)];
      for (int c = 0; c < 3; ++c) {
        int64_t sum = 0;
        for (int y = 0; y < patch; ++y)
          for (int x = 0; x < patch; ++x)
            sum += picture->image.row(static_cast<int>(raster) / columns * patch +
                                      y)[(raster % columns * patch + x) * 3 + c];
        CHECK(colours[3 * k + static_cast<size_t>(c)] == sum / (patch * patch));
      }
      ++k;
    }
  }
  CHECK(k == rows.size());
  CHECK(static_cast<int64_t>(k) == batch.masked_patches());
  CHECK(replaced > 0);
  CHECK(replaced < k);
  CHECK(batch.packed.replaced_patches.numel() == static_cast<int64_t>(replaced));
  for (size_t s = 0; s < 16; ++s)  // the other passes see everything
    for (int64_t p = 0; p < batch.packed.sequences[s].patches; ++p)
      CHECK(gather[static_cast<size_t>(batch.packed.sequences[s].first_patch_row() + p)] < first_replaced);
}

TEST_CASE("A batch of levels becomes the batch of values when it is normalised, and is the same in all else") {
  CollatorOptions options = options_of();
  options.masked_patches = true;
  options.patch_masking.rate = 0.3;
  options.max_patches = 12;
  const CollatorBench values(options);
  options.levels = true;
  const CollatorBench levels(options);
  for (int64_t step = 0; step < 3; ++step) {
    const std::vector<PretrainBatch> expected = values.collator.step(step);
    std::vector<PretrainBatch> got = levels.collator.step(step);
    PackedBatch& packed = got[0].packed;
    CHECK(packed.patches.dtype() == DType::u8);
    packed.patches = ops::normalise_patches(packed.patches, packed.norm.mean, packed.norm.std, DType::f32);
    CHECK(tests::equal(got, expected));
  }
}

TEST_CASE("Masked patches are drawn from a stream of their own: the other passes are what they were") {
  CollatorOptions options = options_of();
  options.max_patches = 12;
  const CollatorBench without(options);
  options.masked_patches = true;
  const CollatorBench with(options);
  for (int64_t step = 0; step < 3; ++step) {
    const PretrainBatch a = without.collator.step(step)[0], b = with.collator.step(step)[0];
    CHECK(tests::equal(with.collator.step(step), with.collator.step(step)));
    CHECK_FALSE(a.objectives.target_rows.defined());
    CHECK(a.masked_patches() == 0);
    CHECK(tests::equal<int64_t>(a.objectives.masked_labels, b.objectives.masked_labels));
    CHECK(tests::equal<int64_t>(a.objectives.pair_labels, b.objectives.pair_labels));
    CHECK(tests::equal<int64_t>(a.objectives.word_rows, b.objectives.word_rows));
    for (size_t s = 0; s < 16; ++s) {
      CHECK(ids_of(a.packed, s) == ids_of(b.packed, s));
      CHECK(pixels_of(a.packed, a.packed.sequences[s]) == pixels_of(b.packed, b.packed.sequences[s]));
      CHECK(a.packed.sequences[s].patch_order == b.packed.sequences[s].patch_order);
    }
  }
}

TEST_CASE("Masked patches can be the only pass, and do not depend on how a step is cut") {
  CollatorOptions options = options_of();
  options.masked_words = options.pairs = false;
  options.masked_patches = true;
  const CollatorBench whole(options);
  options.accumulate = 4;
  const CollatorBench parts(options);
  const auto one = whole.collator.step(1), many = parts.collator.step(1);
  CHECK(one[0].packed.sequences.size() == 8);
  CHECK(one[0].pairs() == 0);
  std::vector<int64_t> colours;
  for (const PretrainBatch& batch : many)
    for (const int64_t level : batch.objectives.target_colours.to_vector<int64_t>()) colours.push_back(level);
  CHECK(colours == one[0].objectives.target_colours.to_vector<int64_t>());
}

}  // namespace tessera::collated_patches_test
