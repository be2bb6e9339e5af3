#include "models/pixelbert/collator.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "tests/error_text.h"
#include "tests/models/tiny_pixelbert.h"

namespace tessera::pixelbert_collator_test {
namespace {

using tests::error_of;
using tests::lacking;
using tests::PixelBertBench;
using tests::tiny_pixelbert;
using tests::tiny_pixelbert_batches;

bool same(const CellRange& a, const CellRange& b) {
  return a.table == b.table && a.first == b.first && a.count == b.count;
}

bool same(const PixelBertBatch& a, const PixelBertBatch& b) {
  bool out = a.texts == b.texts && a.selected == b.selected && a.sample_ids == b.sample_ids &&
             a.pictures.size() == b.pictures.size() && a.ranges.size() == b.ranges.size() &&
             a.masked_rows.to_vector<int64_t>() == b.masked_rows.to_vector<int64_t>() &&
             a.masked_labels.to_vector<int64_t>() == b.masked_labels.to_vector<int64_t>() &&
             a.pair_sequences.to_vector<int64_t>() == b.pair_sequences.to_vector<int64_t>() &&
             a.pair_labels.to_vector<int64_t>() == b.pair_labels.to_vector<int64_t>();
  for (size_t i = 0; out && i < a.pictures.size(); ++i)
    out = a.pictures[i].shape() == b.pictures[i].shape() &&
          a.pictures[i].to_vector<float>() == b.pictures[i].to_vector<float>();
  for (size_t i = 0; out && i < a.ranges.size(); ++i) out = same(a.ranges[i], b.ranges[i]);
  return out;
}

// The pixels of a sequence's picture.
std::vector<float> pixels_of(const PixelBertBatch& batch, size_t sequence) {
  const CellRange& range = batch.ranges[sequence];
  return batch.pictures[static_cast<size_t>(range.table)].select(0, range.first / range.count).to_vector<float>();
}

int64_t caption_of(const PixelBertBench& bench, int64_t id) {
  for (int64_t caption = 0; caption < bench.source.captions(); ++caption)
    if (bench.source.id_of(caption) == id) return caption;
  return -1;
}

// Normalised planes, from the picture itself.
std::vector<float> expected_pixels(const PixelBertBench& bench, int64_t image) {
  const std::shared_ptr<const ResizedImage> picture = bench.source.resized(image);
  const auto& [height, width, levels] = picture->image;
  std::vector<float> out;
  for (size_t c = 0; c < 3; ++c)
    for (size_t i = 0; i < static_cast<size_t>(height) * static_cast<size_t>(width); ++i)
      out.push_back((static_cast<float>(levels[3 * i + c]) / 255.0f - 0.5f) / 0.5f);
  return out;
}

}  // namespace

TEST_CASE("pixel-bert: a step is masked texts with their pictures, then texts of which half are with theirs") {
  const PixelBertBench bench;
  for (int64_t step = 0; step < 4; ++step) {
    const std::vector<PixelBertBatch> batches = bench.collator.step(step);
    REQUIRE(batches.size() == 1);
    const PixelBertBatch& batch = batches[0];
    REQUIRE(batch.texts.size() == 16);
    const std::vector<int64_t> labels = batch.pair_labels.to_vector<int64_t>();
    CHECK(std::count(labels.begin(), labels.end(), 1) == 4);
    for (size_t i = 0; i < 8; ++i) {
      const int64_t caption = caption_of(bench, batch.sample_ids[i]);
      const std::vector<float> own = expected_pixels(bench, bench.source.image_of(caption));
      CHECK(pixels_of(batch, i) == own);
      CHECK((pixels_of(batch, 8 + i) == own) == (labels[i] == 1));
      CHECK(same(batch.ranges[i], batch.ranges[8 + i]) == (labels[i] == 1));  // a picture is there once
      CHECK(batch.texts[8 + i] == bench.source.text(caption).ids);
    }
    int64_t pictures = 0;
    std::set<std::pair<int64_t, int64_t>> sizes;
    for (const Tensor& group : batch.pictures) {
      pictures += group.size(0);
      sizes.insert({group.size(2), group.size(3)});
    }
    CHECK(sizes.size() == batch.pictures.size());  // those of one size together
    CHECK(pictures >= 8);
    CHECK(pictures <= 12);
  }
}

TEST_CASE("pixel-bert: masked rows point at the masked places, with the words that stood there") {
  const PixelBertBench bench;
  const PixelBertBatch batch = bench.collator.step(3)[0];
  std::vector<int64_t> packed;  // ids of words, -1 for cells
  for (size_t i = 0; i < batch.texts.size(); ++i) {
    packed.insert(packed.end(), batch.texts[i].begin(), batch.texts[i].end());
    packed.insert(packed.end(), batch.selected[i].size(), -1);
  }
  std::vector<int64_t> clean = packed;
  for (size_t i = 0, row = 0; i < 8; ++i) {
    std::copy(batch.texts[8 + i].begin(), batch.texts[8 + i].end(), clean.begin() + static_cast<int64_t>(row));
    row += batch.texts[i].size() + batch.selected[i].size();
  }
  const std::vector<int64_t> rows = batch.masked_rows.to_vector<int64_t>(),
                             labels = batch.masked_labels.to_vector<int64_t>();
  REQUIRE(rows.size() >= 8);  // strict masking: at least one of each text
  for (size_t k = 0; k < rows.size(); ++k) CHECK(clean[static_cast<size_t>(rows[k])] == labels[k]);
  for (size_t row = 0; row < packed.size(); ++row)
    if (packed[row] != clean[row]) CHECK(std::find(rows.begin(), rows.end(), row) != rows.end());
}

TEST_CASE("pixel-bert: cells are sampled anew in each sequence, ascending, each at most once; or all are seen") {
  const PixelBertBench bench;
  const PixelBertBatch batch = bench.collator.step(0)[0];
  std::set<std::vector<int64_t>> samples;
  for (size_t i = 0; i < batch.selected.size(); ++i) {
    const std::vector<int64_t>& cells = batch.selected[i];
    CHECK(cells.size() == 10);
    CHECK(std::is_sorted(cells.begin(), cells.end()));
    CHECK(std::set(cells.begin(), cells.end()).size() == cells.size());
    CHECK(cells.back() < batch.ranges[i].count);
    samples.insert(cells);
  }
  CHECK(samples.size() == batch.selected.size());
  PixelBertBatches all = tiny_pixelbert_batches();
  all.sampled_cells = 0;
  const PixelBertBatch seen = PixelBertBench(all).collator.step(0)[0];
  for (size_t i = 0; i < seen.selected.size(); ++i)
    CHECK(static_cast<int64_t>(seen.selected[i].size()) == seen.ranges[i].count);
  // What else is drawn does not depend on it.
  CHECK(seen.texts == batch.texts);
  Random random(4);
  CHECK(sample_cells(3, 5, random) == std::vector<int64_t>{0, 1, 2});
  CHECK(sample_cells(0, 5, random).empty());
}

TEST_CASE("pixel-bert: a step is a function of its number and the seed") {
  const PixelBertBench one, other;
  other.collator.step(7);  // the order of calls does not matter
  for (const int64_t step : {0, 5, 11}) CHECK(same(one.collator.step(step)[0], other.collator.step(step)[0]));
  CHECK_FALSE(same(one.collator.step(0)[0], one.collator.step(1)[0]));
  PixelBertBatches seed = tiny_pixelbert_batches();
  seed.seed = 6;
  CHECK_FALSE(same(one.collator.step(0)[0], PixelBertBench(seed).collator.step(0)[0]));
}

TEST_CASE("pixel-bert: micro-batches are the step, cut") {
  PixelBertBatches options = tiny_pixelbert_batches();
  const PixelBertBatch whole = PixelBertBench(options).collator.step(2)[0];
  options.accumulate = 4;
  const PixelBertBench bench(options);
  const std::vector<PixelBertBatch> parts = bench.collator.step(2);
  REQUIRE(parts.size() == 4);
  std::vector<int64_t> ids, labels;
  int64_t masked = 0;
  for (const PixelBertBatch& part : parts) {
    ids.insert(ids.end(), part.sample_ids.begin(), part.sample_ids.end());
    const std::vector<int64_t> more = part.pair_labels.to_vector<int64_t>();
    labels.insert(labels.end(), more.begin(), more.end());
    masked += part.masked();
  }
  CHECK(ids == whole.sample_ids);
  CHECK(labels == whole.pair_labels.to_vector<int64_t>());
  CHECK(masked == whole.masked());
  for (size_t i = 0; i < 8; ++i) {
    CHECK(parts[i / 2].selected[i % 2] == whole.selected[i]);
    CHECK(parts[i / 2].selected[2 + i % 2] == whole.selected[8 + i]);
    CHECK(pixels_of(parts[i / 2], 2 + i % 2) == pixels_of(whole, 8 + i));
  }
  options.accumulate = 3;
  CHECK(lacking(error_of([&] { PixelBertBench{options}; }), {"8 captions cannot be cut into 3"}) == "");
}

TEST_CASE("pixel-bert: false pictures are siblings where they are asked for") {
  PixelBertBatches options = tiny_pixelbert_batches();
  options.sibling_negatives = 1;
  const PixelBertBench bench(options);
  int64_t wrong = 0;
  for (int64_t step = 0; step < 5; ++step) {
    const PixelBertBatch batch = bench.collator.step(step)[0];
    const std::vector<int64_t> labels = batch.pair_labels.to_vector<int64_t>();
    for (size_t i = 0; i < 8; ++i) {
      if (labels[i] == 1) continue;
      ++wrong;
      const int64_t caption = caption_of(bench, batch.sample_ids[i]);
      CHECK(pixels_of(batch, 8 + i) == expected_pixels(bench, bench.source.sibling(caption)));
    }
  }
  CHECK(wrong == 20);
  options.masked_words = options.pairs = false;
  CHECK(lacking(error_of([&] { PixelBertBench{options}; }), {"neither masked words nor pairs"}) == "");
}

}  // namespace tessera::pixelbert_collator_test
