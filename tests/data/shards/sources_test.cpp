// Patterns of shards, and where their bytes come from.
#include "data/shards/sources.h"

#include <doctest/doctest.h>

#include "data/shards/sample.h"
#include "io/tar_writer.h"
#include "tensor/error.h"
#include "tests/error_text.h"
#include "tests/temporary_directory.h"

namespace tessera::shard_sources_test {

using tests::error_of;
using tests::lacking;
using tests::TemporaryDirectory;
using Names = std::vector<std::string>;

TEST_CASE("Sources: braces") {
  CHECK(expand_shards("s-{0008..0011}.tar") == Names{"s-0008.tar", "s-0009.tar", "s-0010.tar", "s-0011.tar"});
  CHECK(expand_shards("{9..11}") == Names{"9", "10", "11"});
  CHECK(expand_shards("{9..011}") == Names{"009", "010", "011"});
  CHECK(expand_shards("{2..0}") == Names{"2", "1", "0"});
  CHECK(expand_shards("{a,b}/{1..2}.tar") == Names{"a/1.tar", "a/2.tar", "b/1.tar", "b/2.tar"});
  CHECK(expand_shards("x{a{1..2},b}") == Names{"xa1", "xa2", "xb"});
  CHECK(expand_shards("{,a}") == Names{"", "a"});
  CHECK(expand_shards("{a}{") == Names{"{a}{"});
  CHECK(expand_shards("{000000..999999}").size() == 1'000'000);
  CHECK(lacking(error_of([] { expand_shards("{0000000..1000000}"); }), {"1000001 names", "limit is 1000000"}) == "");
  CHECK(lacking(error_of([] { expand_shards("{0..9999}{0..9999}"); }), {"more than 1000000 shards"}) == "");
  CHECK(lacking(error_of([] { expand_shards(std::string()); }), {"the pattern is empty"}) == "");
}

TEST_CASE("Sources: files by pattern, and those whose names look like one") {
  const TemporaryDirectory folder;
  const std::string at = folder.path().string() + "/";
  for (const char* name : {"b-1.tar", "b-0.tar", "a-0.tar", "{1..2}.tar", "[x].tar"}) folder.write(name, "");
  CHECK(expand_shards(at + "b-*.tar") == Names{at + "b-0.tar", at + "b-1.tar"});
  CHECK(expand_shards(at + "{b,a}-?.tar") == Names{at + "b-0.tar", at + "b-1.tar", at + "a-0.tar"});
  CHECK(expand_shards(at + "{1..2}.tar") == Names{at + "{1..2}.tar"});
  CHECK(expand_shards(at + "[x].tar") == Names{at + "[x].tar"});
  CHECK(expand_shards(Names{at + "a-*.tar", "{1..2}"}) == Names{at + "a-0.tar", "1", "2"});
  CHECK(lacking(error_of([&] { expand_shards(at + "c-*.tar"); }), {"no file is named as", "c-*.tar"}) == "");
}

TEST_CASE("Sources: a command, with numbers put in and nothing else") {
  CHECK(expand_shards("pipe:cat {0..1}.tar") == Names{"pipe:cat 0.tar", "pipe:cat 1.tar"});
  CHECK(expand_shards("pipe:awk '{print $1,$2}' *") == Names{"pipe:awk '{print $1,$2}' *"});
  CHECK(lacking(error_of([] { expand_shards("pipe:"); }), {"the pattern is empty"}) == "");
  const TemporaryDirectory folder;
  const std::string file = folder.write("a.tar", tar_member("a.txt", "text") + tar_end()).string();
  for (const std::string& shard : {file, "pipe:cat " + file, "pipe:gzip < " + file}) {
    CAPTURE(shard);
    ShardReader reader(open_shard(shard), shard);
    const auto sample = reader.next();
    REQUIRE(sample);
    CHECK(sample->parts[0].data == "text");
    CHECK_FALSE(reader.next());
    CHECK(reader.error() == "");
  }
  // What the archive had is given; that the command failed is told.
  const std::string failing = "pipe:cat " + file + "; exit 5";
  ShardReader reader(open_shard(failing), failing);
  CHECK(reader.next());
  CHECK_FALSE(reader.next());
  CHECK(lacking(reader.error(), {"ended with status 5"}) == "");
}

}  // namespace tessera::shard_sources_test
