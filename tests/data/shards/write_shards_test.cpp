// Shards that are written: what is in them, where one ends, and what happens to those that are there.
#include "data/shards/write_shards.h"

#include <doctest/doctest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "data/images/image.h"
#include "data/shards/sample.h"
#include "data/shards/sources.h"
#include "io/files.h"
#include "io/sha256.h"
#include "tensor/error.h"
#include "tests/error_text.h"
#include "tests/temporary_directory.h"

namespace tessera::write_shards_test {

namespace fs = std::filesystem;
using nlohmann::json;
using tests::error_of;
using tests::lacking;
using tests::TemporaryDirectory;

std::string contents(const fs::path& file) {
  const std::vector<uint8_t> bytes = read_file(file);
  return {bytes.begin(), bytes.end()};
}

std::string jpeg(int side) {
  Image image = make_image(side, side);
  for (size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<uint8_t>(i * 37);
  const std::vector<uint8_t> bytes = encode_jpeg(image, 90);
  return {bytes.begin(), bytes.end()};
}

// Seven pictures: a PNG, a GIF, and five JPEGs; the first with two captions.
struct Source {
  TemporaryDirectory folder;
  fs::path images = folder.path() / "images", out = folder.path() / "out";
  Dataset dataset;

  Source() {
    json list = json::array();
    for (int i = 0; i < 7; ++i) {
      const std::string file = "p" + std::to_string(i);
      if (i == 1) {
        const std::vector<uint8_t> png = encode_png(make_image(9, 8));
        folder.write("images/a/" + file, {reinterpret_cast<const char*>(png.data()), png.size()});
      } else if (i == 2) {
        folder.write("images/a/" + file,
                     std::string_view("GIF89a\1\0\1\0\x80\0\0\xff\0\0\0\0\0,\0\0\0\0\1\0\1\0\0\2\2\x44\1\0;", 35));
      } else {
        folder.write("images/a/" + file, jpeg(20 + i));
      }
      json sentences = {{{"sentid", 10 * i}, {"raw", "caption " + std::to_string(i)}}};
      if (i == 0) sentences.push_back({{"sentid", 5}, {"raw", "zweite \"Ä\""}});
      list.push_back(
          {{"imgid", 100 + i}, {"split", "train"}, {"filepath", "a"}, {"filename", file}, {"sentences", sentences}});
    }
    folder.write("captions.json", json{{"images", list}}.dump());
    dataset = Dataset::open(folder.path() / "captions.json", images);
  }
  WrittenShards write(const WriteShardsOptions& options) const {
    return write_shards(dataset, images.string(), out, options);
  }
  std::map<std::string, std::string> written() const {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::directory_iterator(out)) files[entry.path().filename()] = contents(entry.path());
    return files;
  }
};

std::vector<ShardSample> samples_of(const fs::path& shard) {
  std::vector<ShardSample> out;
  ShardReader reader(open_shard(shard.string()), "shard");
  while (auto sample = reader.next()) out.push_back(std::move(*sample));
  CHECK(reader.error() == "");
  return out;
}

TEST_CASE("Shards: samples, index and list") {
  const Source source;
  WriteShardsOptions options;
  options.most_samples = 3;
  const WrittenShards result = source.write(options);
  CHECK(result.shards == 3);
  CHECK(result.samples == 7);
  CHECK(result.captions == 8);
  CHECK(result.found == 0);
  std::vector<ShardSample> all;
  const json list = json::parse(contents(source.out / "train.json"));
  for (int i = 0; i < 3; ++i) {
    const fs::path shard = source.out / ("train-00000" + std::to_string(i) + ".tar");
    const std::vector<ShardSample> samples = samples_of(shard);
    const std::string bytes = contents(shard);
    Sha256 hash;
    hash.add(bytes);
    const std::string digest = hash.hexadecimal();
    CHECK(list["shards"][i]["sha256"] == digest);
    CHECK(list["shards"][i]["samples"] == samples.size());
    // The index: the shard, then each sample's place.
    size_t line_number = 0;
    for_each_line(file_pieces(source.out / ("train-00000" + std::to_string(i) + ".index.jsonl")),
                  [&](std::string_view line) {
                    const json value = json::parse(line);
                    if (line_number++ == 0) {
                      CHECK(value["bytes"] == bytes.size());
                      CHECK(value["sha256"] == digest);
                      return;
                    }
                    const ShardSample& sample = samples.at(line_number - 2);
                    CHECK(value == json{{"key", sample.key},
                                        {"offset", sample.begin},
                                        {"length", sample.end - sample.begin},
                                        {"captions", line_number == 2 && i == 0 ? 2 : 1}});
                  });
    CHECK(line_number == samples.size() + 1);
    for (const ShardSample& sample : samples) all.push_back(sample);
  }
  REQUIRE(all.size() == 7);
  CHECK(all[0].find("jpg")->data == contents(source.images / "a/p0"));
  CHECK(all[1].find("png")->data == contents(source.images / "a/p1"));
  const std::string& png = all[2].find("png")->data;
  const Image picture = decode_image({reinterpret_cast<const uint8_t*>(png.data()), png.size()}, "png");
  CHECK(picture.pixels == std::vector<uint8_t>{255, 0, 0});
  CHECK(all[6].key == "000000006");
  CHECK(image_text(all[6]).caption == "caption 6");
  CHECK(json::parse(all[0].find("json")->data) == json{{"imgid", 100},
                                                       {"split", "train"},
                                                       {"file", "a/p0"},
                                                       {"sentids", {0, 5}},
                                                       {"caption", "caption 0"},
                                                       {"captions", {"caption 0", "zweite \"Ä\""}}});
}

TEST_CASE("Shards: one ends before it would be larger than told") {
  const Source source;
  WriteShardsOptions options;
  options.most_bytes = 9'000;
  const WrittenShards result = source.write(options);
  CHECK(result.shards > 2);
  for (const auto& [name, bytes] : source.written())
    if (name.ends_with(".tar")) CHECK(bytes.size() <= 9'000);
  // A sample that is larger has a shard of its own.
  options.most_bytes = 100;
  options.force = true;
  CHECK(source.write(options).shards == 7);
}

TEST_CASE("Shards: a writer that stopped anywhere goes on with the same result") {
  const Source source;
  WriteShardsOptions options;
  options.most_samples = 2;
  source.write(options);
  const auto whole = source.written();
  CHECK(source.write(options).found == 4);
  CHECK(source.written() == whole);
  for (const char* lost : {"train-000002.tar", "train-000002.index.jsonl", "train-000000.tar", "train.json"}) {
    CAPTURE(lost);
    fs::remove(source.out / lost);
    if (std::string(lost) == "train.json") {
      CHECK(lacking(error_of([&] { source.write(options); }), {"train-000000.tar: exists already", "--force"}) == "");
      options.force = true;
    }
    CHECK(source.write(options).samples == 7);
    CHECK(source.written() == whole);
  }
  // Whole, but not those that belong here.
  for (const char* kind : {".tar", ".index.jsonl"})
    fs::copy_file(source.out / ("train-000000" + std::string(kind)), source.out / ("train-000001" + std::string(kind)),
                  fs::copy_options::overwrite_existing);
  CHECK(source.write(options).found == 1);
  CHECK(source.written() == whole);
  // A stop in the middle, by the callback.
  fs::remove_all(source.out);
  options.force = false;
  CHECK_THROWS(write_shards(source.dataset, source.images.string(), source.out, options,
                            [](int64_t done, int64_t) { check(done < 5, "stopped"); }));
  CHECK(source.written().contains("train-000001.tar"));
  CHECK_FALSE(source.written().contains("train-000002.tar"));
  // Left by a process that is gone.
  for (const char* file : {"train-000002.tar", "train-000002.index.jsonl", "train.json"})
    std::ofstream(source.out / (std::string(file) + ".partial-999999999-0")) << "half";
  const WrittenShards rest = source.write(options);
  CHECK(rest.found == 2);
  CHECK(rest.captions == 8);
  CHECK(source.written() == whole);
}

TEST_CASE("Shards: those of other data, or with other limits, are replaced only when told") {
  Source source;
  WriteShardsOptions options;
  options.most_samples = 2;
  source.write(options);
  const auto before = source.written();
  options.most_samples = 4;
  CHECK(lacking(error_of([&] { source.write(options); }), {"most_samples 2, now 4", "--force"}) == "");
  options.most_samples = 2;
  source.folder.write("images/a/p3", jpeg(90));
  CHECK(lacking(error_of([&] { source.write(options); }), {"image files", "--force"}) == "");
  CHECK(source.written() == before);
  options.force = true;
  source.write(options);
  CHECK(source.written() != before);
  // Another prefix lives beside it.
  options.force = false;
  options.prefix = "val";
  source.write(options);
  CHECK(source.written().size() == 18);
  source.folder.write("out/test.json", "{}");
  options.prefix = "test";
  options.force = true;
  CHECK(lacking(error_of([&] { source.write(options); }), {"test.json", "no list of shards"}) == "");
  options.prefix = "a/b";
  CHECK(lacking(error_of([&] { source.write(options); }), {"the prefix is 'a/b'"}) == "");
}

TEST_CASE("Shards: pictures that cannot be read are left out by name, up to a number") {
  const Source source;
  source.folder.write("images/a/p3", "<html>");
  source.folder.write("images/a/p6", "");
  WriteShardsOptions options;
  options.most_samples = 2;
  options.max_bad_files = 1;
  CHECK(lacking(error_of([&] { source.write(options); }), {"2 pictures cannot be used", "p6", "empty"}) == "");
  options.max_bad_files = 2;
  const WrittenShards result = source.write(options);
  CHECK(result.samples == 5);
  REQUIRE(result.left_out.size() == 2);
  CHECK(result.left_out[0].file == (source.images / "a/p3").string());
  CHECK(lacking(result.left_out[0].reason, {"p3", "an HTML page"}) == "");
  // What is there already tells of those that were left out before.
  CHECK(source.write(options).left_out.size() == 2);
}

}  // namespace tessera::write_shards_test
