// Figures of a data set, and its contact sheet.
#include "data/inspection/statistics.h"

#include <doctest/doctest.h>

#include "data/shards/write_shards.h"
#include "tensor/error.h"
#include "tests/data/inspection/picture_set.h"

namespace tessera::statistics_test {

using tests::PictureSet;

TEST_CASE("Counts") {
  Counts counts, more;
  counts.add(2);
  counts.add(4, 2);
  more.add(10);
  counts.add(more);
  CHECK(counts.count() == 4);
  CHECK(counts.mean() == 5);
  CHECK(counts.deviation() == doctest::Approx(3).epsilon(1e-15));  // (9 + 1 + 1 + 25) / 4 = 9
  CHECK(counts.smallest() == 2);
  CHECK(counts.median() == 4);
  CHECK(counts.largest() == 10);
  CHECK(counts.above(3) == 3);
  CHECK(counts.above(4) == 1);
  counts.add(1, 4);
  CHECK(counts.median() == 1);
}

TEST_CASE("Statistics: the same of a captions file and of its shards") {
  const PictureSet set({{8, 20, {"a cat", "a dog  runs"}}, {0, 1, {"x"}}, {30, 10, {"one two three four"}}});
  const std::filesystem::path out = set.folder().path() / "shards";
  WriteShardsOptions write;
  write.most_samples = 1;
  write.max_bad_files = 1;
  write_shards(set.dataset(), set.images_folder().string(), out, write);
  const Wordpiece vocabulary({"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "c", "##at", "dog"});
  const auto of_shards = shard_units({(out / "train-000000.tar").string(), (out / "train-000001.tar").string()});
  for (const auto& units : {dataset_units(set.dataset(), "captions.json", 1), of_shards}) {
    StatisticsOptions options;
    const DataStatistics words = statistics(units, options);
    CHECK(words.captions_of_picture.count() == 2);
    CHECK(words.captions_of_picture.mean() == 1.5);
    CHECK(words.lengths.count() == 3);
    CHECK(words.lengths.mean() == 3);
    CHECK(words.lengths.largest() == 4);
    CHECK(words.shorter_sides.smallest() == 8);
    CHECK(words.shorter_sides.largest() == 10);
    CHECK(words.longer_sides.largest() == 30);
    CHECK(words.thumbnails.empty());
    options.vocabulary = &vocabulary;
    options.threads = 2;
    const DataStatistics tokens = statistics(units, options);
    CHECK(tokens.lengths.smallest() == 3);  // a c ##at
    CHECK(tokens.lengths.count() == 3);
    CHECK(tokens.lengths.largest() == 4);
  }
  const DataStatistics all = statistics(dataset_units(set.dataset(), "captions.json"), {});
  CHECK(all.samples == 3);
  CHECK(all.reasons == std::map<std::string, int64_t>{{"the picture cannot be decoded", 1}});
}

TEST_CASE("Statistics: the pictures of a contact sheet do not hang on the threads") {
  std::vector<tests::DescribedPicture> pictures;
  for (int i = 0; i < 6; ++i) pictures.push_back({20 + i, 40, {"a"}});
  const PictureSet set(pictures);
  const auto units = dataset_units(set.dataset(), "captions.json", 1);
  StatisticsOptions options;
  options.thumbnails = 4;
  options.thumbnail_side = 16;
  const std::vector<Image> one = statistics(units, options).thumbnails;
  options.threads = 3;
  const std::vector<Image> three = statistics(units, options).thumbnails;
  REQUIRE(one.size() == 4);
  REQUIRE(three.size() == 4);
  for (size_t i = 0; i < one.size(); ++i) {
    CHECK(one[i].pixels == three[i].pixels);
    CHECK(one[i].width == 16);
    CHECK(one[i].height >= 8);
    CHECK(one[i].height <= 10);
  }
  const Image sheet = contact_sheet(one, 16, 3);
  CHECK(sheet.width == 3 * 20 + 4);
  CHECK(sheet.height == 2 * 20 + 4);
  CHECK(sheet.row(0)[0] == 64);
  CHECK(sheet.row(12)[3 * 4] == one[0].pixels[0]);
  CHECK(sheet.row(32)[3 * 4] == one[3].pixels[0]);
  CHECK(sheet.row(32)[3 * 24] == 64);
  CHECK_THROWS_WITH_AS(contact_sheet({}, 16, 3), doctest::Contains("no picture"), Error);
}

}  // namespace tessera::statistics_test
