#include "vilt/input/batch.h"

#include <doctest/doctest.h>

#include "tensor/error.h"

namespace tessera::batch_test {
namespace {

using Ids = std::vector<int64_t>;

// Patch p of image `image` holds the value 100 · image + p.
PatchedImage numbered(int image, int rows, int columns) {
  PatchedImage out{rows, columns, {}};
  for (int p = 0; p < rows * columns; ++p)
    out.patches.insert(out.patches.end(), 3, static_cast<float>(100 * image + p));
  return out;
}

Ids ints(const Tensor& tensor) { return tensor.to_vector<int64_t>(); }

}  // namespace

TEST_CASE("BatchBuilder packs sequences one after another and embeds a shared image once") {
  BatchBuilder builder(3, 2);
  const int a = builder.add_image(numbered(1, 1, 2)), b = builder.add_image(numbered(2, 2, 2));
  builder.add_sequence(Ids{1, 7, 2}, b);
  builder.add_sequence(Ids{1, 8, 9, 2}, a);
  builder.add_sequence(Ids{1, 2}, b, Ids{1, 3}, 2, Ids{0, 1});
  const PackedBatch batch = builder.finish();
  // Nine text rows, the class token as row 9, then the patches of a (10, 11) and of b (12 to 15).
  CHECK(ints(batch.gather) == Ids{0, 1, 2, 9, 12, 13, 14, 15, 3, 4, 5, 6, 9, 10, 11, 7, 8, 9, 13, 15});
  CHECK(ints(batch.cu_seqlens) == Ids{0, 8, 15, 20});
  CHECK(ints(batch.token_ids) == Ids{1, 7, 2, 1, 8, 9, 2, 1, 2});
  CHECK(ints(batch.token_positions) == Ids{0, 1, 2, 0, 1, 2, 3, 0, 1});
  CHECK(ints(batch.token_types) == Ids{0, 0, 0, 0, 0, 0, 0, 0, 1});
  CHECK(ints(batch.modality) == Ids{0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 0, 0, 2, 2, 2});
  CHECK(batch.patches.shape() == Shape{6, 3});
  CHECK(batch.patches.select(1, 0).to_vector<float>() == std::vector<float>{100, 101, 200, 201, 202, 203});
  CHECK(batch.position_index.shape() == Shape{6, 4});
  CHECK(batch.tokens() == 20);
  CHECK(batch.sequences[1].begin == 8);
  CHECK(batch.sequences[1].first_patch_row() - 1 == 12);
  CHECK(batch.sequences[1].first_patch_row() == 13);
  CHECK(batch.sequences[1].length() == 7);
  CHECK(batch.grids[1].rows == 2);
  CHECK_FALSE(batch.replaced_patches.defined());
}

TEST_CASE("Room made for patches beforehand, exactly, too little or too much, changes nothing") {
  for (const int64_t room : {0, 2, 3, 6, 50}) {
    CAPTURE(room);
    BatchBuilder builder(3, 2);
    if (room > 0) builder.reserve_patches(room);
    builder.add_image(numbered(1, 1, 2));
    const int b = builder.add_image({2, 2}, [](std::span<float> values) {
      CHECK(values.size() == 12);
      for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(200 + i / 3);
    });
    builder.add_sequence(Ids{1, 2}, b);
    CHECK(builder.patch(0, 3)[2] == 203);
    const PackedBatch batch = builder.finish();
    CHECK(batch.patches.shape() == Shape{6, 3});
    CHECK(batch.patches.select(1, 2).to_vector<float>() == std::vector<float>{100, 101, 200, 201, 202, 203});
  }
}

TEST_CASE("Hidden patches are those of one sequence; others with the same image see it whole") {
  BatchBuilder builder(3, 2);
  const int a = builder.add_image(numbered(1, 1, 2)), b = builder.add_image(numbered(2, 2, 2));
  builder.add_sequence(Ids{1, 2}, b);
  const int second = builder.add_sequence(Ids{1, 2}, b, Ids{3, 0, 1});
  const int third = builder.add_sequence(Ids{1, 2}, a);
  builder.replace_patches(second, Ids{0, 2});
  builder.replace_patches(third, Ids{1});
  CHECK(builder.patch(second, 1)[0] == 200);
  CHECK(builder.patch(third, 1).size() == 3);
  CHECK_THROWS_WITH(builder.replace_patches(second, Ids{3}), "batch: patch 3 of a sequence with 3");
  CHECK_THROWS_WITH(builder.replace_patches(3, Ids{0}), "batch: no sequence 3");
  const PackedBatch batch = builder.finish();
  // Six text rows, the class token as row 6, a's patches 7 and 8, b's 9 to 12, then the hidden ones.
  CHECK(ints(batch.gather) == Ids{0, 1, 6, 9, 10, 11, 12, 2, 3, 6, 13, 9, 14, 4, 5, 6, 7, 15});
  CHECK(ints(batch.replaced_patches) == Ids{5, 3, 1});
}

TEST_CASE("fill_alignment_rows leaves out [CLS], [SEP] and the image's class token") {
  BatchBuilder builder(3, 2);
  const int image = builder.add_image(numbered(0, 1, 2));
  builder.add_sequence(Ids{1, 5, 2}, image);
  builder.add_sequence(Ids{1, 5, 6, 2}, image);
  builder.add_sequence(Ids{1, 2}, image, Ids{1});
  const PackedBatch batch = builder.finish();
  ObjectiveTables tables;
  fill_alignment_rows(batch, 1, 2, tables);
  CHECK(ints(tables.word_rows) == Ids{7, 8});
  CHECK(ints(tables.cu_words) == Ids{0, 2, 2});
  CHECK(ints(tables.patch_rows) == Ids{11, 12, 16});
  CHECK(ints(tables.cu_patches) == Ids{0, 2, 3});
}

TEST_CASE("BatchBuilder says what does not fit") {
  BatchBuilder builder(3, 2);
  CHECK_THROWS_WITH(builder.add_image({0, 2, {}}), "batch: an image of 0 x 2 patches");
  CHECK_THROWS_WITH(builder.add_image({1, 2, {1, 2, 3}}), "batch: image has 3 values, expected 2 patches of 3");
  builder.add_image(numbered(0, 1, 2));
  CHECK_THROWS_WITH(builder.add_sequence(Ids{1}, 0), "batch: a text of 1 tokens, expected at least [CLS] and [SEP]");
  CHECK_THROWS_WITH(builder.add_sequence(Ids{1, 2}, 1), "batch: no image 1");
  CHECK_THROWS_WITH(builder.add_sequence(Ids{1, 2}, -1), "batch: no image -1");
  CHECK_THROWS_WITH(builder.add_sequence(Ids{1, 2}, 0, Ids{0, 2}), "batch: patch 2 of an image of 2");
  CHECK_THROWS_WITH(builder.add_sequence(Ids{1, 2}, 0, {}, 1, Ids{0}), "batch: 1 token types for 2 tokens");
  CHECK(builder.finish().tokens() == 0);  // none of them has left anything behind
}

}  // namespace tessera::batch_test
