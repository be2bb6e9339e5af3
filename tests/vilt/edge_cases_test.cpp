// Inputs at the edge of what is allowed, through every head: grids of any size and shape, captions without words.
#include <doctest/doctest.h>

#include "autograd/functions.h"
#include "tensor/ops/cosine_cost.h"
#include "tensor/ops/ipot.h"
#include "tests/vilt/step_gradients.h"

namespace tessera::edge_cases_test {
namespace {

using tests::tiny_settings;
using tests::TinyModel;

// Every head on a table of side 6, or another one.
Settings all_heads(int64_t side = 6) {
  Settings settings = tiny_settings();
  settings.model.image_size = side * settings.model.patch_size;
  settings.model.heads = {
      .masked_words = true, .matching = true, .classifier = true, .rank = true, .masked_patches = true};
  settings.model.labels = {"no", "yes", "maybe"};
  return settings;
}

PatchedImage random_image(int rows, int columns) {
  Random random(4, static_cast<uint64_t>(rows), static_cast<uint64_t>(columns));
  PatchedImage image{rows, columns, {}};
  for (int i = 0; i < rows * columns * 768; ++i) image.patches.push_back(static_cast<float>(random.normal()));
  return image;
}

bool all_finite(const Variable& v) {
  const std::vector<double> values = tests::values_of(v.value());
  return std::all_of(values.begin(), values.end(), [](double x) { return std::isfinite(x); });
}

PackedBatch one_pair(const std::vector<int64_t>& ids, const PatchedImage& image) {
  BatchBuilder builder(768, 6);
  builder.add_image(image);
  builder.add_sequence(ids, 0);
  return builder.finish();
}

// Bilinear interpolation of a table [side, side, hidden] at (y, x), written out anew.
std::vector<double> interpolated(const std::vector<double>& table, int side, double y, double x) {
  std::vector<double> out(16, 0);
  for (int row = 0; row < side; ++row)
    for (int column = 0; column < side; ++column) {
      const double weight = std::max(0.0, 1 - std::abs(y - row)) * std::max(0.0, 1 - std::abs(x - column));
      for (size_t c = 0; c < 16; ++c) out[c] += weight * table[static_cast<size_t>(1 + row * side + column) * 16 + c];
    }
  return out;
}

}  // namespace

TEST_CASE("Grids larger than the table, odd tables and any aspect ratio: positions are interpolated, all is finite") {
  for (const int64_t side : {1, 5, 6}) {
    const Settings settings = all_heads(side);
    const TinyModel tiny(settings, DType::f64);
    const auto table = tests::values_of(tiny.model.vilt.position_embeddings.value());
    for (const auto& [rows, columns] :
         {std::pair(9, 13), std::pair(1, 20), std::pair(40, 1), std::pair(1, 1), std::pair(2, 7)}) {
      BatchBuilder builder(768, static_cast<int>(side));
      builder.add_image(random_image(rows, columns));
      builder.add_sequence(std::vector<int64_t>{2, 7, 3}, 0);
      const PackedBatch packed = builder.finish();
      const NoGrad guard;
      CHECK(all_finite(tiny.model.vilt(packed, {})));
      const auto got = tests::values_of(
          interpolate_rows(tiny.model.vilt.position_embeddings, packed.position_index, packed.position_weight).value());
      for (int i = 0; i < rows; ++i)
        for (int j = 0; j < columns; ++j) {
          const auto at = [&](int k, int count) {
            return count > 1 ? static_cast<double>(k * (side - 1)) / (count - 1) : 0.0;
          };
          const auto expected = interpolated(table, static_cast<int>(side), at(i, rows), at(j, columns));
          const auto first = got.begin() + (i * columns + j) * 16;
          CHECK(tests::relative_difference({first, first + 16}, expected, 1) < 1e-14);
        }
    }
  }
}

TEST_CASE("A caption of no word goes through every head, and is as good alone as among others") {
  const Settings settings = all_heads();
  const TinyModel tiny(settings, DType::f64);
  const NoGrad guard;
  const PackedBatch alone = one_pair({2, 3}, random_image(3, 2));
  BatchBuilder builder(768, 6);
  builder.add_image(random_image(4, 4));
  builder.add_image(random_image(3, 2));
  builder.add_sequence(std::vector<int64_t>{2, 8, 9, 3}, 0);
  builder.add_sequence(std::vector<int64_t>{2, 3}, 1);
  const PackedBatch among = builder.finish();
  const Variable a = tiny.model.vilt(alone, {}), b = tiny.model.vilt(among, {});
  const Tensor row_a = Tensor::from(std::vector<int64_t>{0});
  const Tensor row_b = Tensor::from(std::vector<int64_t>{among.sequences[1].begin});
  const auto same = [&](const Variable& x, const Variable& y) {
    CHECK(all_finite(x));
    CHECK(tests::relative_difference(tests::values_of(x.value()), tests::values_of(y.value())) < 1e-12);
  };
  same(tiny.model.matching_logits(a, row_a), tiny.model.matching_logits(b, row_b));
  same(tiny.model.rank_scores(a, row_a), tiny.model.rank_scores(b, row_b));
  same(tiny.model.class_logits(a, row_a), tiny.model.class_logits(b, row_b));
  same(tiny.model.masked_word_logits(a, row_a), tiny.model.masked_word_logits(b, row_b));
  const Tensor patch_a = Tensor::from(std::vector<int64_t>{alone.sequences[0].first_patch_row()});
  const Tensor patch_b = Tensor::from(std::vector<int64_t>{among.sequences[1].first_patch_row()});
  same(tiny.model.masked_patch_logits(a, patch_a), tiny.model.masked_patch_logits(b, patch_b));
  const Tensor no_row = Tensor::from(std::vector<int64_t>{});
  CHECK(tiny.model.masked_word_logits(a, no_row).shape() == Shape{0, settings.model.vocab_size});
}

TEST_CASE("Transport of no words: no cost, an empty plan, distance 0, and gradients of the others only") {
  const Tensor x = Tensor::zeros({0, 4}, DType::f64), y = Tensor::full({3, 4}, 1, DType::f64);
  const Tensor none = Tensor::from(std::vector<int64_t>{0, 0}), three = Tensor::from(std::vector<int64_t>{0, 3});
  const Variable words(x, true), patches(y, true);
  const Variable cost = cosine_cost(words, patches, none, three);
  CHECK(cost.shape() == Shape{0});
  const Tensor plan = ops::ipot(cost.value(), none, three, 0.5, 50);
  CHECK(plan.shape() == Shape{0});
  const Variable distance = transport_distance(cost, plan, none, three);
  CHECK(distance.value().to_vector<double>() == std::vector<double>{0});
  sum(distance).backward();
  CHECK(tests::largest(tests::values_of(patches.grad())) == 0);
}

TEST_CASE("A step whose captions have no word at all: nothing is masked, the alignment is 0, matching trains") {
  BatchBuilder builder(768, 6);
  builder.add_image(random_image(2, 3));
  builder.add_image(random_image(1, 1));
  PretrainBatch batch;
  std::vector<int64_t> rows;
  for (const int image : {0, 1})
    rows.push_back(builder.sequence(builder.add_sequence(std::vector<int64_t>{2, 3}, image)).begin);
  batch.packed = builder.finish();
  batch.objectives.masked_rows = batch.objectives.masked_labels = Tensor::from(std::vector<int64_t>{});
  batch.objectives.pair_rows = Tensor::from(rows);
  batch.objectives.pair_labels = Tensor::from(std::vector<int64_t>{1, 0});
  fill_alignment_rows(batch.packed, 0, 2, batch.objectives);
  for (const DType dtype : {DType::f32, DType::f64}) {
    const TinyModel tiny(tiny_settings(), dtype);
    const Objectives out = tests::run(tiny, {batch}, 0, {});
    CHECK_FALSE(out["mlm"].loss.defined());
    CHECK(out["wpa"].loss.value().item<double>() == 0);
    CHECK(out.total.value().item<double>() == out["itm"].loss.value().item<double>());
    out.total.backward();
    CHECK(std::isfinite(tiny.parameters->global_norm()));
    CHECK(tiny.parameters->global_norm() > 0);
  }
}

}  // namespace tessera::edge_cases_test
