// Samples of shards: what the golden archives (tests/golden/data/webdataset) do not have.
#include "data/shards/sample.h"

#include <doctest/doctest.h>

#include "io/tar_writer.h"
#include "tensor/error.h"

namespace tessera::shard_sample_test {

struct Read {
  std::vector<ShardSample> samples;
  std::vector<std::string> refused, ignored;  // "name: reason"
  std::string error;
};

Read read_all(const std::string& archive, uint64_t limit = 1 << 20) {
  Read out;
  ShardOptions options;
  options.most_sample_bytes = limit;
  options.on_skipped = [&](const SkippedMember& member) {
    (member.kind == SkippedMember::Kind::refused ? out.refused : out.ignored)
        .push_back(member.name + ": " + member.reason);
  };
  ShardReader reader(pieces_of(archive), "a.tar", options);
  while (auto sample = reader.next()) out.samples.push_back(std::move(*sample));
  CHECK_FALSE(reader.next());
  out.error = reader.error();
  return out;
}

std::string members(std::initializer_list<const char*> names) {
  std::string out;
  for (const char* name : names) out += tar_member(name, name);
  return out + tar_end();
}

std::string keys(const Read& read) {
  std::string out;
  for (const ShardSample& sample : read.samples) {
    out += sample.key + ":";
    for (const ShardPart& part : sample.parts) out += " " + part.extension;
    out += ";";
  }
  return out;
}

using Names = std::vector<std::string>;

TEST_CASE("Samples: keys, extensions and places") {
  const Read got =
      read_all(members({"a.b.JPG", "a.txt", "x.y/c.d.É", "x.y/c.", "__a__.b__", "__a.b", "noext", "f/.h"}));
  CHECK(keys(got) == "a: b.jpg txt;x.y/c: d.é ;__a: b;");
  CHECK(got.ignored == Names{"__a__.b__: metadata", "noext: no key or no extension", "f/.h: no key or no extension"});
  CHECK(got.error == "");
  CHECK(got.samples[0].begin == 0);
  CHECK(got.samples[0].end == 2048);
  CHECK(got.samples[1].begin == 2048);
  CHECK(got.samples[0].find("txt")->data == "a.txt");
  CHECK(got.samples[0].find("jpg") == nullptr);
}

TEST_CASE("Samples: members that are left out do not cut a run, those of another key do") {
  const Read got = read_all(members({"a.jpg", "../a.txt", "noext", "a.txt", "b.jpg", "a.json", "b.txt", "a.json"}));
  CHECK(keys(got) == "a: jpg txt;b: jpg;");
  CHECK(got.refused == Names{"../a.txt: unsafe name", "a.json: the key came before", "b.txt: the key came before",
                             "a.json: the key came before"});
}

TEST_CASE("Samples: the first of two parts counts, also in other letters") {
  const std::string archive = tar_member("a.jpg", "one") + tar_member("a.JPG", "two") + tar_end();
  const Read got = read_all(archive);
  CHECK(got.samples[0].find("jpg")->data == "one");
  CHECK(got.refused == Names{"a.JPG: part comes twice"});
}

TEST_CASE("Samples: parts beyond the limit are refused by name, and the rest is read") {
  const std::string archive = tar_member("a.jpg", std::string(5000, 'a')) +
                              tar_member("a.npy", std::string(5000, 'b')) + tar_member("a.txt", "text") +
                              tar_member("b.bin", std::string(20'000, 'c')) + tar_member("c.txt", "text") + tar_end();
  const Read got = read_all(archive, 10'000);
  CHECK(keys(got) == "a: jpg txt;c: txt;");
  CHECK(got.refused == Names{"a.npy: too large: 5000 bytes, the limit of a sample is 10000",
                             "b.bin: too large: 20000 bytes, the limit of a sample is 10000"});
  std::string many;
  for (int i = 0; i < 1001; ++i) many += tar_member("a." + std::to_string(i), "");
  const Read parts = read_all(many + tar_end());
  CHECK(parts.samples[0].parts.size() == 1000);
  CHECK(parts.refused == Names{"a.1000: the sample has 1000 parts already"});
}

TEST_CASE("Samples: a cut shard gives those before, but not the one that is cut") {
  const std::string a = tar_member("a.jpg", "x") + tar_member("a.txt", "y"),
                    b = tar_member("b.jpg", std::string(600, 'z'));
  const Read in_next = read_all(a + b.substr(0, 1000));
  CHECK(keys(in_next) == "a: jpg txt;");
  CHECK(in_next.error.find("a.tar: at byte 2048: truncated data: 112 bytes") != std::string::npos);
  const Read in_own = read_all(a + tar_member("a.npy", "12").substr(0, 513));
  CHECK(keys(in_own) == "");
  const Read in_header = read_all(a + b.substr(0, 100));
  CHECK(keys(in_header) == "a: jpg txt;");
  // A part that is too large and cut belongs to its sample, too.
  CHECK(keys(read_all(a + tar_member("a.npy", std::string(9000, 'n')).substr(0, 2000), 5000)) == "");
}

ImageText of(std::initializer_list<std::pair<const char*, const char*>> parts) {
  ShardSample sample;
  sample.key = "k";
  for (const auto& [extension, data] : parts) sample.parts.push_back({extension, data});
  ImageText out = image_text(sample);
  if (out.unusable.empty()) out.unusable = std::string("none, ") + out.image->extension;
  return out;
}

TEST_CASE("Samples: which part is the image and which the caption") {
  CHECK(of({{"png", "p"}, {"jpeg", "j"}, {"txt", "a"}}).unusable == "none, jpeg");
  CHECK(of({{"jpg", "j"}, {"txt", " \n\tein Hund\xe3\x80\x80"}}).caption == "ein Hund");
  CHECK(of({{"jpg", "j"}, {"txt", "\xc2\xa0 \r\n"}}).unusable == "empty caption");
  CHECK(of({{"jpg", "j"}, {"txt", "caf\xe9"}}).unusable == "caption is not UTF-8");
  CHECK(of({{"jpg", "j"}, {"json", R"({"caption": " a ", "x": [1]})"}}).caption == "a");
  CHECK(of({{"jpg", "j"}, {"json", R"({"caption": "a", "caption": "b"})"}}).unusable == "json cannot be read");
  CHECK(of({{"jpg", "j"}, {"json", R"({"caption": ["a"]})"}}).unusable == "no caption");
  CHECK(of({{"webp", "w"}, {"txt", "a"}}).unusable == "image format not supported");
  CHECK(of({{"seg.png", "w"}, {"txt", "a"}}).unusable == "no image");
  CHECK(of({{"txt", ""}}).unusable == "no image");
  CHECK(of({{"jpg", ""}, {"txt", ""}}).unusable == "empty image");
}

}  // namespace tessera::shard_sample_test
