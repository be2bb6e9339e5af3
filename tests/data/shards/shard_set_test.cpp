// Shards as a data set: indexes that are made and kept, samples read at their places, and what damage does.
#include "data/shards/shard_set.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "data/shards/sources.h"
#include "io/files.h"
#include "tensor/error.h"
#include "tests/data/shards/small_shards.h"
#include "tests/error_text.h"
#include "tests/packed.h"
#include "tests/temporary_directory.h"

namespace tessera::shard_set_test {
namespace {

namespace fs = std::filesystem;
using tests::error_of;
using tests::lacking;
using tests::shard_sample;
using tests::small_shard;
using tests::TemporaryDirectory;

ShardSet open(const std::string& pattern, int64_t most_bad = 0) {
  const std::vector<std::string> shards = expand_shards(pattern);
  return {shards, open_shard_indexes(shards, 2), {.most_bad = most_bad}};
}

// Each sample is the one that small_shard() made.
void check_samples(const ShardSet& set, int first, int end) {
  REQUIRE(set.samples() == end - first);
  for (int i = end - 1; i >= first; --i) {
    const ShardSet::Sample sample = set.read(i - first);
    CHECK(sample.captions == std::vector<std::string>{"caption " + std::to_string(i)});
    CHECK(sample.picture == tests::small_png(i, 8));
    CHECK(sample.name.ends_with(": s" + std::to_string(i)));
  }
}

std::string contents(const fs::path& file) {
  const std::vector<uint8_t> bytes = read_file(file);
  return {bytes.begin(), bytes.end()};
}

}  // namespace

TEST_CASE("Shard set: samples by number, from plain and packed shards alike") {
  const TemporaryDirectory folder;
  folder.write("a.tar", small_shard(1, 6));
  folder.write("b.tar.gz", tests::gzip(small_shard(6, 9)));
  folder.write("c.tar.zst", tests::zstd(small_shard(9, 20)));
  folder.write("other.txt", "no shard");
  const ShardSet set = open(folder.path().string());
  CHECK(set.remarks().indexed == 3);
  CHECK(set.captions_of_shards() == std::vector<int64_t>{5, 3, 11});
  check_samples(set, 1, 20);
  // Once more, with the indexes that lie there now.
  const ShardSet again = open((folder.path() / "{a.tar,b.tar.gz,c.tar.zst}").string());
  CHECK(again.remarks().indexed == 0);
  check_samples(again, 1, 20);
  CHECK(again.fingerprint() == set.fingerprint());
  CHECK(again.bytes() == 19 * 8);
}

TEST_CASE("Shard set: what commands print, run again when it is read") {
  const TemporaryDirectory folder;
  folder.write("x-0.tar", small_shard(1, 4));
  folder.write("x-1.tar", small_shard(4, 9));
  const ShardSet set = open("pipe:cat " + folder.path().string() + "/x-{0..1}.tar");
  CHECK(set.remarks().indexed == 2);
  check_samples(set, 1, 9);
  CHECK_FALSE(fs::exists(folder.path() / "x-0.index.jsonl"));
}

TEST_CASE("Shard set: several captions of a sample are counted, and found") {
  const TemporaryDirectory folder;
  folder.write("a.tar", shard_sample("p", 9, "one", R"({"caption": "one", "captions": ["one", "two", "three"]})") +
                            shard_sample("q", 10, "four") +
                            tests::shard_sample("r", 11, "five", R"({"split": "val"})"));
  folder.write("b.tar", small_shard(1, 3));
  const ShardSet set = open(folder.path().string());
  CHECK(set.captions() == 7);
  CHECK(set.samples() == 5);
  CHECK(set.remarks().splits == std::map<std::string, int64_t>{{"val", 1}});
  const std::vector<int64_t> samples{0, 0, 0, 1, 2, 3, 4}, firsts{0, 3, 4, 5, 6};
  for (int64_t caption = 0; caption < 7; ++caption)
    CHECK(set.sample_of(caption) == samples[static_cast<size_t>(caption)]);
  for (int64_t sample = 0; sample < 5; ++sample)
    CHECK(set.first_caption(sample) == firsts[static_cast<size_t>(sample)]);
  CHECK(set.read(0).captions == std::vector<std::string>{"one", "two", "three"});
}

TEST_CASE("Shard set: damaged shards and samples are named and counted, and the rest is used") {
  const TemporaryDirectory folder;
  const std::string whole = small_shard(1, 8);
  folder.write("a.tar", small_shard(8, 10));
  folder.write("cut.tar", std::string_view(whole).substr(0, whole.size() / 2));
  folder.write("mixed.tar", tar_member("../evil.png", "x") + tar_member("n.png", "") +
                                tar_member("n.txt", "no picture") + tar_member("m.txt", "a caption alone") +
                                small_shard(1, 3));
  folder.write("no.tar", "this is no archive");
  CHECK(lacking(error_of([&] { open(folder.path().string(), 4); }),
                {"shards: 5 samples cannot be used; at most 4 may be left out (data.max_bad_files):",
                 "cut.tar: at byte 7168: truncated data", "mixed.tar: ../evil.png: unsafe name",
                 "mixed.tar: n: empty image", "mixed.tar: m: no image", "no.tar: "}) == "");
  const ShardSet set = open(folder.path().string(), 5);
  CHECK(set.remarks().left_out == 5);
  CHECK(set.captions_of_shards().at(0) == 2);
  CHECK(set.captions_of_shards().at(1) >= 2);
  CHECK(set.captions_of_shards().at(2) == 2);
  CHECK(set.captions_of_shards().at(3) == 0);
  for (int64_t sample = 0; sample < set.samples(); ++sample) CHECK_NOTHROW(set.read(sample));
  const ShardSet with_missing = open((folder.path() / "{a,none}.tar").string(), 1);
  CHECK(lacking(with_missing.remarks().reasons.at(0), {"none.tar: there is no such file"}) == "");
  CHECK(lacking(error_of([&] { open((folder.path() / "no.tar").string(), 9); }), {"not one sample of ", "no.tar"}) ==
        "");
}

TEST_CASE("Shard set: a header for all members, without which none can be read, ends a shard") {
  const TemporaryDirectory folder;
  std::string global = tar_member("pax", "10 path=a\n");
  global[156] = 'g';
  unsigned sum = 8 * ' ';
  for (size_t i = 0; i < 512; ++i)
    if (i < 148 || i >= 156) sum += static_cast<unsigned char>(global[i]);
  char digits[9];
  std::snprintf(digits, sizeof digits, "%06o", sum);
  global.replace(148, 8, std::string_view(digits, 8));
  const std::string first = small_shard(1, 4);
  folder.write("a.tar", first.substr(0, first.size() - tar_end().size()) + global + small_shard(4, 6));
  CHECK(lacking(error_of([&] { open(folder.path().string()); }), {"a.tar: a global pax header gives names or sizes"}) ==
        "");
  const ShardSet set = open(folder.path().string(), 1);
  check_samples(set, 1, static_cast<int>(set.samples()) + 1);
  CHECK(set.samples() >= 2);
}

TEST_CASE("Shard set: a command that fails is named, and what it printed before is used") {
  const TemporaryDirectory folder;
  const std::string shard = folder.write("a.tar", small_shard(1, 4)).string();
  const std::string command = "pipe:cat " + shard + "; exit 3";
  CHECK(lacking(error_of([&] { open(command); }), {"1 sample cannot be used", "exit 3", "status 3"}) == "");
  check_samples(open(command, 1), 1, 4);
}

TEST_CASE("Shard set: an index of another shard is named") {
  const TemporaryDirectory folder;
  const fs::path a = folder.write("a.tar", small_shard(1, 8)), b = folder.write("b.tar", small_shard(8, 12));
  open(folder.path().string());
  // Another size: seen at once, and counted as all its samples.
  folder.write("a.tar", small_shard(1, 7));
  CHECK(lacking(error_of([&] { open(folder.path().string(), 6); }),
                {"7 samples cannot be used", "a.tar: has ", " by its index ",
                 "a.index.jsonl: the shard is damaged, or another one"}) == "");
  CHECK(open(folder.path().string(), 7).samples() == 4);
  // The same size: seen when it is read.
  std::string other = small_shard(1, 8);
  const std::string changed = tests::shard_sample("t2", 2, "caption 2");
  other.replace(other.find("s2.png"), 6, "t2.png");
  folder.write("a.tar",
               small_shard(1, 2).substr(0, small_shard(1, 2).size() - tar_end().size()) + changed + small_shard(3, 8));
  REQUIRE(fs::file_size(a) == other.size());
  const ShardSet set = open(folder.path().string());
  CHECK_NOTHROW(set.read(0));
  CHECK(lacking(error_of([&] { set.read(1); }), {"a.tar: the sample at byte ", " is not that of its index"}) == "");
  CHECK_NOTHROW(set.read(2));
  fs::rename(index_path(b), index_path(a));
  CHECK(lacking(error_of([&] { open(folder.path().string()); }), {"a.index.jsonl is of the shard 'b.tar'"}) == "");
  // An index that is damaged itself.
  folder.write("a.index.jsonl", "{}");
  CHECK(lacking(error_of([&] { open(folder.path().string()); }), {"a.index.jsonl, line 1"}) == "");
}

TEST_CASE("Shard set: a shard that is gone, or was cut, while it is read") {
  const TemporaryDirectory folder;
  const std::string whole = small_shard(1, 8);
  const fs::path a = folder.write("a.tar", whole), b = folder.write("b.tar.gz", tests::gzip(small_shard(8, 30)));
  const ShardSet set = open(folder.path().string());
  const std::string packed = contents(b);
  fs::resize_file(a, whole.size() / 2);
  fs::resize_file(b, packed.size() / 2);
  CHECK_NOTHROW(set.read(0));
  CHECK(lacking(error_of([&] { set.read(6); }), {"a.tar: the sample at byte "}) == "");
  CHECK(lacking(error_of([&] { set.read(28); }), {"b.tar.gz", "truncated gzip stream"}) == "");
  const fs::path c = folder.write("c.tar", whole);
  const ShardSet other = open(c.string());
  fs::remove(c);
  CHECK(lacking(error_of([&] { other.read(0); }), {"c.tar", "No such file"}) == "");
}

TEST_CASE("Shard set: an index that cannot be written is made at every start") {
  const TemporaryDirectory folder;
  const std::string name(251, 'n');  // that of its index would be too long for a file
  const std::string shard = folder.write(name + ".tar", small_shard(1, 4)).string();
  for (int start = 0; start < 2; ++start) {
    const ShardSet set = open(shard);
    CHECK(set.remarks().indexed == 1);
    CHECK(lacking(set.remarks().not_kept, {"cannot create ", ".index.jsonl"}) == "");
    check_samples(set, 1, 4);
  }
}

TEST_CASE("Shards are told from files of captions") {
  const TemporaryDirectory folder;
  const auto name = [&](const char* file) { return (folder.path() / file).string(); };
  folder.write("shards/a.tar", small_shard(1, 2));
  folder.write("files/00000/000000000.jpg", "x");
  folder.write("archive", small_shard(1, 2));
  folder.write("packed", tests::gzip(small_shard(1, 2)));
  folder.write("packed.json", tests::gzip("[]"));
  folder.write("list.json", "[]");
  folder.write("odd[name].csv", "image,text\n");
  CHECK(are_shards(name("shards")));
  CHECK(are_shards(name("archive")));
  CHECK(are_shards(name("packed")));
  CHECK(are_shards("x-{0..9}.tar"));
  CHECK(are_shards("x*"));
  CHECK(are_shards("pipe:cat"));
  CHECK(are_shards("none.tar.gz"));
  CHECK(are_shards(name("list.json"), "shards"));
  CHECK_FALSE(are_shards(name("shards"), "img2dataset"));
  CHECK_FALSE(are_shards(name("files")));
  CHECK_FALSE(are_shards(name("packed.json")));
  CHECK_FALSE(are_shards(name("list.json")));
  CHECK_FALSE(are_shards(name("odd[name].csv")));
  CHECK_FALSE(are_shards("none.json"));
  CHECK(lacking(error_of([&] { expand_shards(name("files")); }), {"files: the folder has no .tar"}) == "");
}

}  // namespace tessera::shard_set_test
