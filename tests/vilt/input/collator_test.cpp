#include "vilt/input/collator.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "tests/error_text.h"
#include "tests/vilt/input/batch_equality.h"
#include "tests/vilt/input/collator_bench.h"

namespace tessera::collator_test {
namespace {

using tests::CollatorBench;
using tests::error_of;
using tests::ids_of;
using tests::lacking;
using tests::options_of;
using tests::pixels_of;
using tests::tiny_scenes;

const SequenceLayout& matching_sequence(const PretrainBatch& batch, size_t pair) {
  return batch.packed.sequences[static_cast<size_t>(batch.pairs()) + pair];
}

}  // namespace

TEST_CASE("A step has masked texts with their images, then clean texts of which half are with theirs") {
  const CollatorBench bench(options_of());
  for (int64_t step = 0; step < 4; ++step) {
    const auto batches = bench.collator.step(step);
    REQUIRE(batches.size() == 1);
    const PretrainBatch& batch = batches[0];
    REQUIRE(batch.pairs() == 8);
    REQUIRE(batch.packed.sequences.size() == 16);
    const auto labels = batch.objectives.pair_labels.to_vector<int64_t>();
    CHECK(std::count(labels.begin(), labels.end(), 1) == 4);
    CHECK(batch.masked() >= 8);  // strict masking: at least one of each text
    for (size_t i = 0; i < 8; ++i) {
      const int64_t sentence = bench.sentence_with_id(batch.sample_ids[i]);
      const auto own = bench.pixels(bench.source.image_of(sentence));
      CHECK(pixels_of(batch.packed, batch.packed.sequences[i]) == own);
      CHECK((pixels_of(batch.packed, matching_sequence(batch, i)) == own) == (labels[i] == 1));
      CHECK(ids_of(batch.packed, 8 + i) == bench.source.text(sentence).ids);
      CHECK(ids_of(batch.packed, i).size() == bench.source.text(sentence).ids.size());
      CHECK(batch.objectives.pair_rows.to_vector<int64_t>()[i] == matching_sequence(batch, i).begin);
    }
  }
}

TEST_CASE("Masked rows point at the masked places, with the original ids") {
  const CollatorBench bench(options_of());
  const PretrainBatch batch = bench.collator.step(3)[0];
  const auto rows = batch.objectives.masked_rows.to_vector<int64_t>();
  const auto labels = batch.objectives.masked_labels.to_vector<int64_t>();
  size_t changed = 0, k = 0;
  for (size_t i = 0; i < 8; ++i) {
    const auto masked = ids_of(batch.packed, i), clean = ids_of(batch.packed, 8 + i);
    for (size_t t = 0; t < clean.size(); ++t) {
      const int64_t row = batch.packed.sequences[i].begin + static_cast<int64_t>(t);
      const bool chosen = k < rows.size() && rows[k] == row;
      if (chosen) CHECK(labels[k++] == clean[t]);
      if (!chosen) CHECK(masked[t] == clean[t]);
      changed += masked[t] != clean[t];
    }
  }
  CHECK(k == rows.size());
  CHECK(changed > 0);
}

TEST_CASE("An epoch has every sentence once, the next in another order") {
  const CollatorBench bench(options_of());
  std::vector<int64_t> first, second;
  for (int64_t step = 0; step < 10; ++step)
    for (const int64_t id : bench.ids(step)) (step < 5 ? first : second).push_back(id);
  CHECK(std::set(first.begin(), first.end()).size() == 40);
  CHECK(std::set(second.begin(), second.end()).size() == 40);
  CHECK(first != second);
}

TEST_CASE("A batch is a function of seed and step alone") {
  const CollatorBench bench(options_of()), again(options_of());
  CollatorOptions other = options_of();
  other.seed = 1;
  const CollatorBench different(other);
  const auto later = bench.collator.step(7);  // asked for before the earlier ones
  bench.collator.step(0);
  CHECK(tests::equal(later, again.collator.step(7)));
  CHECK(tests::equal(later, bench.collator.step(7)));
  CHECK_FALSE(tests::equal(later, bench.collator.step(8)));
  CHECK_FALSE(tests::equal(later, different.collator.step(7)));
}

TEST_CASE("The image cache does not change a bit") {
  SampleOptions uncached = tests::TinyScenes::sample_options(), small = uncached;
  uncached.cache_bytes = 0;
  small.cache_bytes = 50'000;  // two or three pictures
  const CollatorBench with(options_of()), without(options_of(), tiny_scenes().open("train"), uncached),
      little(options_of(), tiny_scenes().open("train"), small);
  for (int64_t step = 0; step < 6; ++step) {
    const auto expected = with.collator.step(step);
    CHECK(tests::equal(expected, without.collator.step(step)));
    CHECK(tests::equal(expected, little.collator.step(step)));
  }
  CHECK(with.source.cached_bytes() > 40 * 80 * 80 * 3 / 2);
  CHECK(without.source.cached_bytes() == 0);
  CHECK(little.source.cached_bytes() <= 50'000);
  CHECK(little.source.cached_bytes() > 0);
}

TEST_CASE("False images: siblings when asked for, otherwise from the data set or from the step") {
  CollatorOptions options = options_of();
  options.sibling_negatives = 1;
  const CollatorBench siblings(options);
  options.sibling_negatives = 0;
  options.false_images_in_batch = true;
  const CollatorBench in_batch(options);
  int64_t outside = 0;
  for (int64_t step = 0; step < 5; ++step) {
    const PretrainBatch hard = siblings.collator.step(step)[0], batch = in_batch.collator.step(step)[0];
    std::set<std::vector<float>> own;
    for (size_t i = 0; i < 8; ++i) own.insert(pixels_of(batch.packed, batch.packed.sequences[i]));
    const auto labels = hard.objectives.pair_labels.to_vector<int64_t>();
    for (size_t i = 0; i < 8; ++i) {
      const int64_t sibling = siblings.dataset.sibling(siblings.sentence_with_id(hard.sample_ids[i]));
      const auto shown = pixels_of(hard.packed, matching_sequence(hard, i));
      if (labels[i] == 0) CHECK(shown == siblings.pixels(sibling));
      CHECK(own.contains(pixels_of(batch.packed, matching_sequence(batch, i))));
    }
    const PretrainBatch anywhere = CollatorBench(options_of()).collator.step(step)[0];
    for (size_t i = 0; i < 8; ++i) outside += !own.contains(pixels_of(anywhere.packed, matching_sequence(anywhere, i)));
  }
  CHECK(outside > 0);
}

TEST_CASE("Above max_patches patches are sampled, distinct and in raster order, for each pass anew") {
  CollatorOptions options = options_of();
  options.max_patches = 10;
  const CollatorBench bench(options);
  const PretrainBatch batch = bench.collator.step(0)[0];
  size_t differing = 0;
  for (size_t s = 0; s < batch.packed.sequences.size(); ++s) {
    const SequenceLayout& sequence = batch.packed.sequences[s];
    CHECK(sequence.patches == 10);
    REQUIRE(sequence.patch_order.size() == 10);
    for (size_t k = 1; k < 10; ++k) CHECK(sequence.patch_order[k - 1] < sequence.patch_order[k]);
    const Grid grid = batch.packed.grids[static_cast<size_t>(sequence.image)];
    CHECK(sequence.patch_order.front() >= 0);
    CHECK(sequence.patch_order.back() < int64_t{grid.rows} * grid.columns);
    if (s < 8) differing += sequence.patch_order != batch.packed.sequences[8 + s].patch_order;
  }
  CHECK(differing >= 7);     // two samples of 10 out of 24 or 25 are equal once in two million
  options.max_patches = 25;  // the 5 x 5 patches of 80 x 80 pixels fit exactly
  const PretrainBatch fitting = CollatorBench(options).collator.step(0)[0];
  for (const SequenceLayout& sequence : fitting.packed.sequences) CHECK(sequence.patch_order.empty());
}

TEST_CASE("The micro-batches of a step hold the pairs of the whole step") {
  CollatorOptions options = options_of();
  options.max_patches = 10;
  const CollatorBench whole(options);
  options.accumulate = 4;
  const CollatorBench parts(options);
  const PretrainBatch batch = whole.collator.step(2)[0];
  const auto micro = parts.collator.step(2);
  REQUIRE(micro.size() == 4);
  for (size_t i = 0; i < 8; ++i) {
    const PretrainBatch& part = micro[i / 2];
    const size_t k = i % 2;
    CHECK(part.sample_ids[k] == batch.sample_ids[i]);
    CHECK(part.objectives.pair_labels.to_vector<int64_t>()[k] == batch.objectives.pair_labels.to_vector<int64_t>()[i]);
    CHECK(ids_of(part.packed, k) == ids_of(batch.packed, i));
    for (const size_t pass : {size_t{0}, size_t{1}}) {
      const SequenceLayout &a = part.packed.sequences[2 * pass + k], &b = batch.packed.sequences[8 * pass + i];
      CHECK(a.patch_order == b.patch_order);
      CHECK(pixels_of(part.packed, a) == pixels_of(batch.packed, b));
    }
  }
}

TEST_CASE("The curriculum's first steps use its group only") {
  CollatorOptions options = options_of();
  options.curriculum_steps = 6;  // 48 draws of about 20 sentences: more than two epochs of the group
  options.curriculum_group = "one_object";
  const CollatorBench bench(options);
  size_t other = 0;
  for (int64_t step = 0; step < 11; ++step)
    for (const int64_t id : bench.ids(step)) {
      const std::string& group = *bench.dataset.annotation(bench.sentence_with_id(id))->group;
      if (step < 6) CHECK(group == "one_object");
      other += group != "one_object";
    }
  CHECK(other > 0);
}

TEST_CASE("Options that the annotations cannot serve are errors naming option and field") {
  const Dataset plain = tiny_scenes().open("train", false);
  CollatorOptions options = options_of();
  options.masking.content_first = 0.5;
  CHECK(lacking(error_of([&] { CollatorBench(options, plain); }), {"objectives.content_first", "content_words"}) == "");
  options = options_of();
  options.sibling_negatives = 0.5;
  CHECK(lacking(error_of([&] { CollatorBench(options, plain); }), {"objectives.sibling_negatives", "sibling"}) == "");
  options = options_of();
  options.curriculum_steps = 5;
  CHECK(lacking(error_of([&] { CollatorBench(options, plain); }), {"train.curriculum", "group"}) == "");
  options.curriculum_group = "three_objects";
  CHECK_THROWS_WITH(CollatorBench{options},
                    "data: no sentence of the training split is in the group 'three_objects' "
                    "(train.curriculum_group)");
  CHECK_THROWS_WITH(CollatorBench(options_of(), Dataset{}), "data: the training split has no captions");
  options = options_of();
  options.masked_words = options.pairs = false;
  CHECK_THROWS_WITH(CollatorBench{options},
                    "collator: neither masked words nor pairs nor masked patches are asked for");
}

TEST_CASE("Passes that no objective needs are left out") {
  CollatorOptions options = options_of();
  options.pairs = false;
  const PretrainBatch words = CollatorBench(options).collator.step(0)[0];
  CHECK(words.packed.sequences.size() == 8);
  CHECK(words.pairs() == 0);
  CHECK(words.masked() > 0);
  options = options_of();
  options.masked_words = false;
  const PretrainBatch pairs = CollatorBench(options).collator.step(0)[0];
  CHECK(pairs.packed.sequences.size() == 8);
  CHECK(pairs.pairs() == 8);
  CHECK(pairs.masked() == 0);
}

TEST_CASE("Official masking takes its budget from max_length: short captions are often not masked at all") {
  CollatorOptions options = options_of();
  options.masking.variant = MaskingOptions::official;
  options.masking.rate = 0.15;
  const CollatorBench bench(options);
  options.masking.variant = MaskingOptions::strict;
  const CollatorBench strict(options);
  int64_t official_masked = 0, strict_masked = 0;
  for (int64_t step = 0; step < 10; ++step) {
    official_masked += bench.collator.step(step)[0].masked();
    strict_masked += strict.collator.step(step)[0].masked();
  }
  // Budget 6 of 40 places, shared between about 8 words and 30 of padding: about one word of a caption in expectation,
  // and for each of 80 texts the same chance of none; strict never has none.
  CHECK(strict_masked >= 80);
  CHECK(official_masked > 20);
  const auto rows = [&](const CollatorBench& b) {
    std::set<size_t> masked_texts;
    for (int64_t step = 0; step < 10; ++step) {
      const PretrainBatch batch = b.collator.step(step)[0];
      for (const int64_t row : batch.objectives.masked_rows.to_vector<int64_t>())
        for (size_t i = 0; i < 8; ++i)
          if (row >= batch.packed.sequences[i].begin && row < batch.packed.sequences[i].first_patch_row() - 1)
            masked_texts.insert(static_cast<size_t>(step) * 8 + i);
    }
    return masked_texts.size();
  };
  CHECK(rows(strict) == 80);
  CHECK(rows(bench) < 75);
}

}  // namespace tessera::collator_test
