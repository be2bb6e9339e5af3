#include "data/shards/shard_index.h"

#include <doctest/doctest.h>

#include "tensor/error.h"
#include "tests/error_text.h"

namespace tessera::shard_index_test {
namespace {

using tests::error_of;
using tests::lacking;

ShardIndex parsed(const std::string& contents) { return parse_shard_index(pieces_of(contents), "x.index.jsonl"); }

std::string first_line(int64_t samples, int64_t captions) {
  ShardSummary summary{.shard = "x.tar", .bytes = 10240, .sha256 = "ab"};
  summary.samples = samples;
  summary.captions = captions;
  return summary_line(summary);
}

// What is said of one line after a good one.
std::string error_in(const std::string& line, int64_t samples = 2, int64_t captions = 2) {
  return error_of([&] { parsed(first_line(samples, captions) + sample_line("a", 0, 1024, 1) + line); });
}

}  // namespace

TEST_CASE("Shard index: what is written is read, in lines of any form that JSON has") {
  const std::string contents =
      first_line(4, 9) + sample_line("a/b.c", 0, 1536, 1) + sample_line("ä\n\"", 1536, 512, 5) +
      "{ \"captions\": 2, \"key\": \"\\u00e4\", \"offset\": 4096, \"length\": 512, \"more\": 1}\n" +
      "{\"key\":\"d\",\"offset\":1099511627776,\"length\":512,\"captions\":1}";
  const ShardIndex index = parsed(contents);
  CHECK(index.samples() == 4);
  CHECK(index.captions() == 9);
  CHECK(index.blocks == std::vector<uint32_t>{0, 3, 8, 2147483648u});
  CHECK(index.key_hashes == std::vector<uint32_t>{shard_key_hash("a/b.c"), shard_key_hash("ä\n\""), shard_key_hash("ä"),
                                                  shard_key_hash("d")});
  CHECK(index.captions_before == std::vector<uint32_t>{0, 1, 6, 8, 9});
  const std::vector<int64_t> samples{0, 1, 1, 1, 1, 1, 2, 2, 3};
  for (int64_t caption = 0; caption < 9; ++caption)
    CHECK(index.sample_of(caption) == samples[static_cast<size_t>(caption)]);
  CHECK(index.first_caption(2) == 6);
  CHECK(index.captions_of(3) == 1);
  CHECK(index.captions_of(1) == 5);

  const ShardIndex single = parsed(first_line(2, 2) + sample_line("a", 0, 512, 1) + sample_line("b", 512, 512, 1));
  CHECK(single.captions_before.empty());
  CHECK(single.sample_of(1) == 1);
  CHECK(single.captions_of(1) == 1);
}

TEST_CASE("Shard index: pieces may end anywhere") {
  const std::string contents =
      first_line(3, 4) + sample_line("a", 0, 512, 1) + sample_line("b", 512, 512, 2) + sample_line("c", 1024, 512, 1);
  for (size_t size = 1; size < contents.size(); ++size) {
    const TextPieces pieces = [rest = std::string_view(contents), size]() mutable {
      const std::string_view piece = rest.substr(0, size);
      rest.remove_prefix(piece.size());
      return piece;
    };
    CHECK(parse_shard_index(pieces, "x").captions_before == std::vector<uint32_t>{0, 1, 3, 4});
  }
}

TEST_CASE("Shard index: the summary of a shard from elsewhere") {
  ShardSummary summary{.shard = "y.tar", .bytes = 7, .sha256 = "cd"};
  summary.splits = {{"train", 3}, {"val_x", 1}};
  summary.unusable = 12;
  summary.first_unusable = {{"k", "y.tar: k: no caption"}};
  summary.error = "y.tar: truncated data";
  const ShardSummary read = parsed(summary_line(summary)).summary;
  CHECK(read.splits == summary.splits);
  CHECK(read.unusable == 12);
  CHECK(read.first_unusable.at(0).reason == "y.tar: k: no caption");
  CHECK(read.error == summary.error);
}

TEST_CASE("Shard index: what cannot be is an error with file and line") {
  const auto line = [](const char* offset, const char* length, const char* captions) {
    return std::string("{\"key\":\"b\",\"offset\":") + offset + ",\"length\":" + length + ",\"captions\":" + captions +
           "}\n";
  };
  CHECK(error_in(line("1000", "512", "1")) ==
        "x.index.jsonl, line 3: offset is 1000, and the sample before ends at 1024");
  CHECK(error_in(line("1025", "512", "1")) == "x.index.jsonl, line 3: offset is 1025, expected a multiple of 512");
  CHECK(error_in(line("1024", "511", "1")) == "x.index.jsonl, line 3: length is 511, expected at least 512");
  CHECK(error_in(line("1024", "512", "0")) == "x.index.jsonl, line 3: captions is 0, expected 1 to 4294967294");
  CHECK(error_in(line("1024", "512", "4294967295")) ==
        "x.index.jsonl, line 3: captions is 4294967295, expected 1 to 4294967294");
  CHECK(error_in(line("2199023255552", "512", "1")) ==
        "x.index.jsonl, line 3: offset is 2199023255552, expected less than 2 TiB");
  for (const char* number : {"9223372036854775808", "-1", "1e3", "01024", "1024.5", "\"1024\"", "NaN", ""})
    CHECK(lacking(error_in(line(number, "512", "1")), {"x.index.jsonl, line 3: "}) == "");
  CHECK(lacking(error_in("{\"key\":\"b\",\"offset\":1024,\"length\":512}\n"), {"line 3", "captions"}) == "");
  CHECK(lacking(error_in("{\"key\":\"b\",\"key\":\"c\",\"offset\":1024,\"length\":512,\"captions\":1}\n"),
                {"line 3"}) == "");
  CHECK(error_in(line("1024", "512", "1"), 3) ==
        "x.index.jsonl: its lines are 2 samples with 2 captions, the first line says 3 with 2");
  CHECK(error_in(line("1024", "512", "4")) ==
        "x.index.jsonl: its lines are 2 samples with 5 captions, the first line says 2 with 2");
  CHECK(lacking(error_of([] { parsed(""); }), {"x.index.jsonl, line 1"}) == "");
  CHECK(lacking(error_of([] { parsed("{\"shard\":\"x.tar\"}\n"); }), {"x.index.jsonl, line 1", "bytes"}) == "");
  const std::string long_key(2 << 20, 'k');
  CHECK(error_in("{\"key\":\"" + long_key) == "x.index.jsonl, line 3: has more than 1048576 bytes");
}

TEST_CASE("Shard index: names of the files") {
  CHECK(index_path("a/train-000001.tar") == "a/train-000001.index.jsonl");
  CHECK(index_path("a/x.tar.gz") == "a/x.tar.gz.index.jsonl");
  CHECK(index_path("a/x.tar.zst") == "a/x.tar.zst.index.jsonl");
}

}  // namespace tessera::shard_index_test
