#include <doctest/doctest.h>

#include <cmath>

#include "models/pixelbert/model.h"
#include "nn/init.h"
#include "tests/error_text.h"

namespace tessera::pixelbert_test {
namespace {

using tests::error_of;
using tests::lacking;

PixelBertConfig tiny() {
  PixelBertConfig config;
  config.bert = {.vocab_size = 11,
                 .hidden_size = 8,
                 .num_hidden_layers = 1,
                 .num_attention_heads = 2,
                 .intermediate_size = 6,
                 .max_position_embeddings = 4};
  config.cnn = {.layers = {1, 1}, .widths = {1, 2}, .stem = 3};
  return config;
}

PixelBert drawn(const PixelBertConfig& config) {
  PixelBert model(config);
  model.visit("", [](const std::string& name, Variable& parameter) {
    if (parameter.requires_grad()) init_normal_(parameter, name, 5, 0.4);
  });
  return model;
}

Variable pictures(int64_t n, int64_t height, int64_t width) {
  std::vector<float> values;
  for (int64_t i = 0; i < n * 3 * height * width; ++i) values.push_back(static_cast<float>(i * 29 % 83) / 83);
  return Variable(Tensor::from(values, {n, 3, height, width}));
}

}  // namespace

TEST_CASE("pixel-bert: an odd last row and column of the grid are dropped; a picture that leaves no cell") {
  const PixelBert model = drawn(tiny());
  const PixelGrids grids = model.grids(pictures(2, 40, 57), false);
  CHECK(grids.features.size(2) == 5);
  CHECK(grids.features.size(3) == 8);
  CHECK(grids.rows == 2);
  CHECK(grids.columns == 4);
  CHECK(grids.of(1).shape() == Shape{8, 8});
  CHECK(lacking(error_of([&] { model.grids(pictures(1, 8, 40), false); }), {"8 x 40 leaves no cell"}) == "");
  PixelBertConfig placed = tiny();
  placed.position_rows = 2;
  placed.position_columns = 3;
  CHECK(lacking(error_of([&] { drawn(placed).grids(pictures(1, 40, 57), false); }),
                {"2 x 4 cells, expected at most 2 x 3"}) == "");
  placed.position_columns = 0;
  CHECK(lacking(error_of([&] { PixelBert{placed}; }), {"2 rows and 0 columns"}) == "");
}

TEST_CASE("pixel-bert: a pair alone and among others; the order of its cells does not matter to its words") {
  const PixelBert model = drawn(tiny());
  const PixelGrids one = model.grids(pictures(1, 40, 57), false), other = model.grids(pictures(1, 33, 64), false);
  const auto pooled = [&](const PixelBertPairs& pairs, int64_t row) {
    return model(pairs, {}).pooled.value().select(0, row).to_vector<float>();
  };
  const auto alone = pooled({{{3, 1, 4}}, {one.pixels}, {one.range(0)}, {{6, 0, 3}}}, 0);
  const auto among =
      pooled({{{5}, {3, 1, 4}}, {other.pixels, one.pixels}, {other.range(0), one.range(0, 1)}, {{}, {0, 3, 6}}}, 1);
  const auto unseen = pooled({{{3, 1, 4}}, {one.pixels}, {one.range(0)}, {{}}}, 0);
  double apart = 0;
  for (size_t i = 0; i < alone.size(); ++i) {
    CHECK(among[i] == doctest::Approx(alone[i]).epsilon(1e-5));
    apart = std::max(apart, std::abs(static_cast<double>(unseen[i] - alone[i])));
  }
  CHECK(apart > 1e-3);
}

TEST_CASE("pixel-bert: what it does not take") {
  const PixelBert model = drawn(tiny());
  const Variable cells = model.grids(pictures(1, 40, 57), false).pixels;
  const auto refusal = [&](const PixelBertPairs& pairs) { return error_of([&] { model(pairs, {}); }); };
  const CellRange all{0, 0, 8};
  CHECK(lacking(refusal({}), {"0 texts, 0 pictures"}) == "");
  CHECK(lacking(refusal({{{1}}, {cells}, {all}, {}}), {"1 texts, 1 pictures and 0 selections"}) == "");
  CHECK(lacking(refusal({{{}}, {cells}, {all}, {{0}}}), {"text 0 has 0 words, expected 1 to 4"}) == "");
  CHECK(lacking(refusal({{{1, 2, 3, 4, 5}}, {cells}, {all}, {{0}}}), {"text 0 has 5 words"}) == "");
  CHECK(lacking(refusal({{{1}}, {cells}, {all}, {{8}}}), {"cell 8 of picture 0, which has 8"}) == "");
  CHECK(lacking(refusal({{{1}}, {cells}, {all}, {{-1}}}), {"cell -1 of picture 0"}) == "");
  CHECK(lacking(refusal({{{1}}, {cells}, {{0, 1, 8}}, {{0}}}), {"picture 0 is cells 1 to 9 of table 0"}) == "");
  CHECK(lacking(refusal({{{1}}, {cells}, {{1, 0, 8}}, {{0}}}), {"of table 1, which are not there"}) == "");
}

}  // namespace tessera::pixelbert_test
