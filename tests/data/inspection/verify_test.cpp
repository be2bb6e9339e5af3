// What is told of samples that cannot be used, and going on after a stop.
#include "data/inspection/verify.h"

#include <doctest/doctest.h>

#include <fstream>
#include <set>

#include "data/shards/write_shards.h"
#include "io/files.h"
#include "io/tar_writer.h"
#include "tensor/error.h"
#include "tests/data/inspection/picture_set.h"
#include "tests/error_text.h"

namespace tessera::verify_test {

namespace fs = std::filesystem;
using nlohmann::json;
using tests::error_of;
using tests::lacking;
using tests::PictureSet;
using tests::TemporaryDirectory;
using Reasons = std::map<std::string, int64_t>;

std::string picture(int side) {
  const std::vector<uint8_t> png = encode_png(make_image(side, side));
  return {png.begin(), png.end()};
}

std::string sample(const std::string& key, const std::string& png, const std::string& caption) {
  return tar_member(key + ".png", png) + tar_member(key + ".txt", caption);
}

std::vector<json> lines_of(const fs::path& file) {
  std::vector<json> out;
  for_each_line(file_pieces(file), [&](std::string_view line) { out.push_back(json::parse(line)); });
  return out;
}

TEST_CASE("Verify: shards, good and bad, on any number of threads") {
  const TemporaryDirectory folder;
  const std::string cut = sample("0", picture(8), "a").substr(0, 550);
  std::string broken = picture(8);
  broken.resize(broken.size() - 20);
  const std::vector<std::string> shards = {
      folder.write("good.tar", sample("0", picture(8), "a") + sample("1", picture(9), "b") + tar_end()).string(),
      folder
          .write("mixed.tar", sample("0", broken, "a") + sample("1", picture(8), " ") + tar_member("../x.png", "x") +
                                  sample("2", picture(8), "c") + tar_member("readme", "r") + tar_end())
          .string(),
      folder.write("cut.tar", cut).string(), (folder.path() / "absent.tar").string()};
  for (const int threads : {1, 3}) {
    VerifyOptions options;
    options.threads = threads;
    int64_t last = -1;
    const Verification got = verify(shard_units(shards), options, [&](int64_t done, int64_t total) {
      CHECK(total == 4);
      CHECK(done >= last);
      last = done;
    });
    CHECK(last == 4);
    CHECK(got.samples == 5);
    CHECK(got.good == 3);
    CHECK(got.captions == 3);
    CHECK_FALSE(got.all_good());
    CHECK(got.reasons == Reasons{{"the picture cannot be decoded", 1},
                                 {"empty caption", 1},
                                 {"member left out: unsafe name", 1},
                                 {"the shard cannot be read on", 1},
                                 {"the shard cannot be read", 1}});
    CHECK(got.first_bad.size() == 5);
  }
}

TEST_CASE("Verify: a captions file") {
  const PictureSet set({{8, 8, {"a", "b"}}, {0, 1, {"c"}}, {0, 0, {"d"}}, {9, 7, {"e"}}});
  const Verification got = verify(dataset_units(set.dataset(), "captions.json", 3), {});
  CHECK(got.units == 2);
  CHECK(got.samples == 4);
  CHECK(got.good == 2);
  CHECK(got.captions == 3);
  CHECK(got.reasons == Reasons{{"the picture cannot be decoded", 1}, {"the file is missing", 1}});
  CHECK(lacking(got.first_bad[0].detail, {"p1", "an HTML page"}) == "");
}

TEST_CASE("Verify: a shard is held against the checksum of its index") {
  const PictureSet set({{8, 8, {"a"}}, {9, 9, {"b", "c"}}});
  const fs::path out = set.folder().path() / "shards", shard = out / "train-000000.tar";
  write_shards(set.dataset(), set.images_folder().string(), out, {});
  const auto verified = [&] { return verify(shard_units({shard.string()}), {}); };
  CHECK(verified().all_good());
  CHECK(verified().captions == 3);
  // The owner's number of the first member: nothing that a reader looks at but for the header's sum.
  std::fstream file(shard, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(108 + 6);
  file.put('1');
  file.seekp(116 + 6);
  file.put('/');  // one less than '0': the sum stays
  file.close();
  const Verification got = verified();
  CHECK(got.good == 2);
  CHECK(got.reasons == Reasons{{"the shard's checksum is not that of its index", 1}});
}

TEST_CASE("Verify: goes on where it stopped, and only what has changed is read again") {
  const TemporaryDirectory folder;
  std::vector<std::string> shards;
  for (int i = 0; i < 4; ++i)
    shards.push_back(
        folder.write("s" + std::to_string(i) + ".tar", sample("a", i == 1 ? "no picture" : picture(8), "x") + tar_end())
            .string());
  VerifyOptions options;
  options.folder = folder.path() / "verified";
  std::set<std::string> read;
  const auto units = [&](int64_t stop_at) {
    std::vector<InspectionUnit> out = shard_units(shards);
    for (InspectionUnit& unit : out)
      unit.each = [&read, stop_at, each = unit.each, name = unit.name](const InspectSample& inspect) {
        check(std::ssize(read) != stop_at, "stopped");
        read.insert(fs::path(name).filename());
        each(inspect);
      };
    return out;
  };
  CHECK_THROWS_WITH(verify(units(2), options), "stopped");
  CHECK(read == std::set<std::string>{"s0.tar", "s1.tar"});
  // As a process leaves it that was killed while it wrote a line.
  std::ofstream(options.folder / "verified.jsonl", std::ios::app) << R"({"unit":"half)";
  read.clear();
  Verification got = verify(units(-1), options);
  CHECK(read == std::set<std::string>{"s2.tar", "s3.tar"});
  CHECK(got.found == 2);
  CHECK(got.samples == 4);
  CHECK(got.good == 3);
  CHECK(got.reasons == Reasons{{"the picture cannot be decoded", 1}});
  REQUIRE(lines_of(options.folder / "bad.jsonl").size() == 1);
  CHECK(lines_of(options.folder / "bad.jsonl")[0]["name"] == shards[1] + ": a");
  CHECK(lines_of(options.folder / "verified.jsonl").size() == 5);
  read.clear();
  folder.write("s1.tar", sample("a", picture(10), "x") + tar_end());
  got = verify(units(-1), options);
  CHECK(read == std::set<std::string>{"s1.tar"});
  CHECK(got.all_good());
  CHECK(lines_of(options.folder / "bad.jsonl").empty());

  folder.write("other/verified.jsonl", "{}\n");
  options.folder = folder.path() / "other";
  CHECK(lacking(error_of([&] { verify(units(-1), options); }), {"verified.jsonl, line 1", "name another"}) == "");
  folder.write("third/bad.jsonl", "");
  options.folder = folder.path() / "third";
  CHECK(lacking(error_of([&] { verify(units(-1), options); }), {"bad.jsonl: exists already"}) == "");
}

}  // namespace tessera::verify_test
