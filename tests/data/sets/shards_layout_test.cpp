// Tar shards in place of a file of captions.
#include <doctest/doctest.h>

#include "data/sets/dataset.h"
#include "data/sets/fingerprint.h"
#include "data/shards/shard_set.h"
#include "data/shards/sources.h"
#include "data/shards/write_shards.h"
#include "tensor/error.h"
#include "tests/data/shards/small_shards.h"
#include "tests/error_text.h"
#include "tests/temporary_directory.h"

namespace tessera::shards_layout_test {

using tests::error_of;
using tests::lacking;
using tests::shard_sample;
using tests::small_shard;
using tests::TemporaryDirectory;

TEST_CASE("Shards layout: captions are in memory, pictures where they are") {
  const TemporaryDirectory folder;
  folder.write("in/a.tar",
               shard_sample("p", 9, "one", R"({"caption": "one", "captions": ["one", "two"], "split": "val"})") +
                   shard_sample("q", 10, "three", R"({"split": "train"})"));
  folder.write("in/b.tar", small_shard(3, 6));
  const Dataset all = Dataset::open(folder.path() / "in", "");
  CHECK(all.remarks().layout == "tar shards (data.kind = \"shards\")");
  CHECK(all.remarks().splits == std::map<std::string, int64_t>{{"train", 4}, {"val", 1}});
  CHECK(all.images().size() == 5);
  CHECK(all.sentences().size() == 6);
  CHECK(all.sentences()[1].text == "two");
  CHECK(all.picture_name(3) == (folder.path() / "in/b.tar: s4").string());
  const std::vector<uint8_t> picture = all.read_picture(3);
  CHECK(std::string(picture.begin(), picture.end()) == tests::small_png(4, 8));
  // A part keeps its pictures, and so does what several are joined to.
  const Dataset part = all.part("val").without_missing();
  CHECK(part.read_picture(0) == all.read_picture(0));
  const Dataset other = Dataset::open(folder.path() / "in/b.tar", "");
  const Dataset joined = Dataset::joined({part, other});
  CHECK(joined.read_picture(0) == all.read_picture(0));
  CHECK(joined.read_picture(2) == all.read_picture(3));
  CHECK(fingerprint(joined, "") != fingerprint(Dataset::joined({other, part}), ""));
  CHECK_FALSE(std::filesystem::exists(folder.path() / "in/a.index.jsonl"));
}

TEST_CASE("Shards layout: the split is told by the records, the shards' name or the setting; nothing is held out") {
  const TemporaryDirectory folder;
  folder.write("x.tar", small_shard(1, 60));
  folder.write("val-0.tar", small_shard(1, 4));
  CHECK(Dataset::open(folder.path() / "x.tar", "").remarks().splits == std::map<std::string, int64_t>{{"train", 59}});
  CHECK(Dataset::open(folder.path() / "x.tar", "", {.splits = {"test"}, .remaining_split = "test"}).images().size() ==
        59);
  CHECK(Dataset::open(folder.path() / "val-*.tar", "", {.splits = {"val"}}).images().size() == 3);
  CHECK(lacking(error_of([&] { Dataset::open(folder.path() / "x.tar", "", {.splits = {"val"}}); }),
                {"no image has the split 'val'; the file has train (59)"}) == "");
}

TEST_CASE("Shards layout: what cannot be used is left out by name, up to a limit") {
  const TemporaryDirectory folder;
  folder.write("a.tar", tar_member("n.txt", "no picture") + small_shard(1, 3));
  folder.write("b.tar", "no archive");
  const std::string both = (folder.path() / "{a,b}.tar").string();
  CHECK(lacking(error_of([&] { Dataset::open(both, ""); }),
                {"2 lines cannot be used", "a.tar: n: no image", "b.tar"}) == "");
  const Dataset some = Dataset::open(both, "", {.max_missing = 2});
  CHECK(some.images().size() == 2);
  CHECK(some.remarks().left_out == 2);
  CHECK(lacking(error_of([&] { Dataset::open(folder.path() / "a.tar", "", {.annotations = "x", .max_missing = 2}); }),
                {"are shards, to which no annotations can be added"}) == "");
  CHECK(lacking(error_of([&] { Dataset::open(folder.write("c.csv", "image,text\n"), ""); }),
                {"c.csv: the folder of its pictures is not named (--images, data.images)"}) == "");
}

TEST_CASE("Shards layout: shards are written from shards") {
  const TemporaryDirectory folder;
  folder.write("in/a.tar", shard_sample("p", 9, "one", R"({"caption": "one", "captions": ["one", "two"]})"));
  folder.write("in/b.tar", small_shard(3, 6));
  const Dataset from = Dataset::open(folder.path() / "in", "");
  const WrittenShards written = write_shards(from, "", folder.path() / "out", {.most_samples = 3});
  CHECK(written.shards == 2);
  CHECK(written.samples == 4);
  CHECK(written.captions == 5);
  const Dataset back = Dataset::open((folder.path() / "out" / "train-*.tar").string(), "");
  REQUIRE(back.images().size() == 4);
  for (int64_t image = 0; image < 4; ++image) CHECK(back.read_picture(image) == from.read_picture(image));
  for (size_t s = 0; s < 5; ++s) CHECK(back.sentences()[s].text == from.sentences()[s].text);
  // The indexes that were written beside them are those that would be made.
  const std::vector<std::string> shards = expand_shards((folder.path() / "out" / "train-*.tar").string());
  for (const std::string& shard : shards) {
    const ShardIndex made = index_shard(shard), found = *read_shard_index(shard);
    CHECK(made.blocks == found.blocks);
    CHECK(made.key_hashes == found.key_hashes);
    CHECK(made.captions_before == found.captions_before);
    CHECK(made.summary.sha256 == found.summary.sha256);
    CHECK(made.summary.splits == found.summary.splits);
  }
}

}  // namespace tessera::shards_layout_test
