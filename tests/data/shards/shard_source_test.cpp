// What a collator draws from shards.
#include "data/shards/shard_source.h"

#include <doctest/doctest.h>

#include "data/shards/sources.h"
#include "tests/data/shards/small_shards.h"
#include "tests/error_text.h"
#include "tests/temporary_directory.h"
#include "tests/tiny_scenes.h"

namespace tessera::shard_source_test {
namespace {

using tests::error_of;
using tests::lacking;
using tests::shard_sample;
using tests::TemporaryDirectory;
using tests::tiny_scenes;

std::shared_ptr<const ShardSet> open(const std::filesystem::path& folder) {
  const std::vector<std::string> shards = expand_shards(folder.string());
  return std::make_shared<const ShardSet>(shards, open_shard_indexes(shards, 1), ShardSetOptions{});
}

SampleOptions options() {
  SampleOptions options;
  options.resize = false;
  options.patch = 8;
  return options;
}

}  // namespace

TEST_CASE("Shard source: captions and pictures of several sets by number") {
  const TemporaryDirectory folder;
  folder.write("one/a.tar",
               shard_sample("p", 8, "a red ring", R"({"caption": "a red ring", "captions": ["a red ring", "red"]})") +
                   shard_sample("q", 16, "a cross"));
  folder.write("one/b.tar", shard_sample("p", 24, "blue"));
  folder.write("two/a.tar",
               shard_sample("r", 32, "a ring", R"({"caption": "a ring", "captions": ["a ring", "ring", "it"]})"));
  const ShardSource source({open(folder.path() / "one"), open(folder.path() / "two")}, tiny_scenes().vocabulary(),
                           options());
  const std::vector<std::string> captions{"a red ring", "red", "a cross", "blue", "a ring", "ring", "it"};
  const std::vector<int64_t> images{0, 0, 1, 2, 3, 3, 3};
  REQUIRE(source.captions() == 7);
  REQUIRE(source.images() == 4);
  const Wordpiece& vocabulary = tiny_scenes().vocabulary();
  for (int64_t i = 0; i < 7; ++i) {
    const std::string& words = captions[static_cast<size_t>(i)];
    CHECK(source.caption(i) == words);
    CHECK(source.image_of(i) == images[static_cast<size_t>(i)]);
    CHECK(source.text(i).ids == vocabulary.sequence(vocabulary.encode(words), 40).ids);
  }
  for (int64_t image = 0; image < 4; ++image) CHECK(source.patched(image).columns == image + 1);
  const std::vector<SamplePart> parts = source.parts();
  REQUIRE(parts.size() == 2);
  CHECK(parts[0].runs == std::vector<int64_t>{3, 1});
  CHECK(parts[0].count == 4);
  CHECK(parts[1].runs == std::vector<int64_t>{3});
  CHECK(lacking(error_of([&] { source.require(AnnotationField::sibling, "objectives.x"); }),
                {"objectives.x needs the annotation field 'sibling', and captions in shards have none"}) == "");
}

TEST_CASE("Shard source: a picture that cannot be decoded is named with its shard and key") {
  const TemporaryDirectory folder;
  folder.write("a.tar", tar_member("k.jpg", "no picture") + tar_member("k.txt", "a ring"));
  const ShardSource source({open(folder.path())}, tiny_scenes().vocabulary(), options());
  CHECK(lacking(error_of([&] { source.resized(0); }), {"a.tar: k: "}) == "");
  CHECK(source.caption(0) == "a ring");
}

TEST_CASE("Shard source: the fingerprint is that of the contents, whatever folder they lie in") {
  const TemporaryDirectory folder;
  for (const char* name : {"x/a.tar", "y/a.tar"}) folder.write(name, tests::small_shard(8, 10));
  folder.write("z/a.tar", tests::small_shard(8, 11));
  const Wordpiece& vocabulary = tiny_scenes().vocabulary();
  const auto of = [&](std::vector<const char*> names) {
    ShardSets sets;
    for (const char* name : names) sets.push_back(open(folder.path() / name));
    return ShardSource(sets, vocabulary, options()).fingerprint();
  };
  CHECK(of({"x"}) == of({"y"}));
  CHECK(of({"x"}) != of({"z"}));
  CHECK(of({"x", "z"}) == of({"y", "z"}));
  CHECK(of({"x", "z"}) != of({"z", "x"}));
  CHECK(of({"x", "z"}).at("captions") == "5");
}

}  // namespace tessera::shard_source_test
