// Files of regions: what is written is read, from one file or several; what is damaged is refused by name.
#include "data/regions/region_file.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "data/regions/region_writer.h"
#include "io/files.h"
#include "io/safetensors.h"
#include "tests/error_text.h"
#include "tests/temporary_directory.h"

namespace tessera::region_file_test {
namespace {

namespace fs = std::filesystem;
using tests::error_of;
using tests::lacking;
using tests::TemporaryDirectory;

constexpr int64_t kFeatures = 3, kClasses = 4;
const RegionClasses kNames{"background", "ring", "\xc3\x96l", "cross"};

// Of a picture 50 wide and 40 high; sums of powers of two, so that bf16 holds them.
Regions some(int64_t n) {
  Regions out;
  out.height = 40;
  out.width = 50;
  std::vector<float> boxes, features, distributions, confidences;
  for (int64_t i = 0; i < n; ++i) {
    const auto at = static_cast<float>(i);
    for (const float corner : {at, at + 1, at + 9.5f, at + 12}) boxes.push_back(corner);
    for (const float feature : {at, -2 * at, 0.125f}) features.push_back(feature);
    for (const float p : {0.25f, 0.5f, 0.125f, 0.125f}) distributions.push_back(p);
    confidences.push_back(0.5f);
    out.objects.push_back(1 + i % 3);
  }
  out.boxes = Tensor::from(boxes, {n, 4});
  out.features = Tensor::from(features, {n, kFeatures});
  out.distributions = Tensor::from(distributions, {n, kClasses});
  out.confidences = Tensor::from(confidences, {n});
  return out;
}

RegionWriterOptions options_of(uint64_t shard_bytes = 0, DType dtype = DType::f32) {
  return {.features = kFeatures,
          .classes = kNames,
          .detector = "a test",
          .dtype = dtype,
          .shard_bytes = shard_bytes,
          .first_shard = 0};
}

bool same(const Regions& a, const Regions& b) {
  const auto equal = [](const Tensor& x, const Tensor& y) {
    return x.shape() == y.shape() && x.to_vector<float>() == y.to_vector<float>();
  };
  return a.height == b.height && a.width == b.width && equal(a.boxes, b.boxes) && equal(a.features, b.features) &&
         equal(a.distributions, b.distributions) && equal(a.confidences, b.confidences) && a.objects == b.objects;
}

// A file of three pictures: with two regions, none, one.
fs::path three(const TemporaryDirectory& folder, const char* name = "three.safetensors") {
  RegionWriter writer(folder.path() / name, options_of());
  writer.add("a/first.jpg", some(2));
  writer.add("none.jpg", some(0));
  writer.add("third.jpg", some(1));
  writer.finish();
  return folder.path() / name;
}

// The same with tensors that `change` has changed.
template <class Change>
std::string error_after(const Change& change) {
  const TemporaryDirectory folder;
  const fs::path path = three(folder);
  SafeTensors file = load_safetensors(path);
  change(file);
  save_safetensors(path, file.tensors, file.metadata);
  return error_of([&] {
    const RegionFile read(path);
    for (int64_t i = 0; i < read.pictures(); ++i) read.read(i);
  });
}

}  // namespace

TEST_CASE("region file: pictures with no, one and several regions are read as they were written") {
  const TemporaryDirectory folder;
  const RegionFile file(three(folder));
  REQUIRE(file.pictures() == 3);
  CHECK(file.regions() == 3);
  CHECK(file.features() == kFeatures);
  CHECK(file.classes() == kNames);
  CHECK(file.detector() == "a test");
  CHECK(file.name(0) == "a/first.jpg");
  CHECK(file.name(2) == "third.jpg");
  CHECK(file.count(0) == 2);
  CHECK(file.count(1) == 0);
  CHECK(same(file.read(0), some(2)));
  CHECK(same(file.read(1), some(0)));
  CHECK(same(file.read(2), some(1)));
}

TEST_CASE("region file: without pictures it is a file, and bf16 holds what it can") {
  const TemporaryDirectory folder;
  RegionWriter nothing(folder.path() / "nothing.safetensors", options_of());
  nothing.finish();
  CHECK(RegionFile(folder.path() / "nothing.safetensors").pictures() == 0);
  RegionWriter writer(folder.path() / "half.safetensors", options_of(0, DType::bf16));
  writer.add("x", some(3));
  writer.finish();
  CHECK(same(RegionFile(folder.path() / "half.safetensors").read(0), some(3)));
}

TEST_CASE("region file: a new shard is begun before one grows beyond its size, and all are read as one") {
  const TemporaryDirectory folder;
  const fs::path path = folder.path() / "r.safetensors";
  // A picture of two regions takes 2 · ((3 + 4) · 4 + 28) + 32 + 1 = 145 bytes; one larger than a shard has its own.
  RegionWriter writer(path, options_of(290));
  for (const char* name : {"a", "b", "c"}) writer.add(name, some(2));
  writer.add("d", some(9));
  writer.add("e", some(0));
  writer.finish();
  REQUIRE(writer.written().size() == 4);
  CHECK(writer.written()[0] == RegionWriter::shard_path(path, 0));
  CHECK(writer.written()[3].filename() == "r-000003.safetensors");
  CHECK(RegionFile(writer.written()[0]).pictures() == 2);
  CHECK(RegionFile(writer.written()[2]).pictures() == 1);
  for (const std::string& pattern : {folder.path().string(), (folder.path() / "r-*.safetensors").string(),
                                     (folder.path() / "r-{000000..000003}.safetensors").string()}) {
    CAPTURE(pattern);
    const RegionFiles files(pattern);
    CHECK(files.pictures() == 5);
    CHECK(files.classes() == kNames);
    REQUIRE(files.find("d").has_value());
    CHECK(files.name(*files.find("d")) == "d");
    CHECK(files.count(*files.find("d")) == 9);
    CHECK(same(files.read("c"), some(2)));
    CHECK(files.read("e").count() == 0);
    CHECK_FALSE(files.find("f").has_value());
    CHECK(lacking(error_of([&] { files.read("f"); }), {"no picture 'f'", "r-000000", "3 more"}) == "");
  }
}

TEST_CASE("region file: a shard that is not finished is not there, and the folder holds nothing else") {
  const TemporaryDirectory folder;
  {
    RegionWriter writer(folder.path() / "r.safetensors", options_of(290));
    for (const char* name : {"a", "b", "c"}) writer.add(name, some(2));
  }
  CHECK(std::distance(fs::directory_iterator(folder.path()), {}) == 1);
  CHECK(RegionFiles(folder.path().string()).pictures() == 2);
}

TEST_CASE("region file: names are those of files in the image folder") {
  CHECK(region_name("/data/images/a/b.jpg", "/data/images") == "a/b.jpg");
  CHECK(region_name("images/./b.jpg", "images/") == "b.jpg");
  CHECK(region_name("/elsewhere/b.jpg", "/data/images") == "/elsewhere/b.jpg");
  CHECK(region_name("shards/t.tar: 000030007", "images") == "shards/t.tar: 000030007");
}

TEST_CASE("region file: what a picture's regions cannot be is refused by the writer, by name") {
  const TemporaryDirectory folder;
  RegionWriter writer(folder.path() / "r.safetensors", options_of());
  writer.add("there", some(1));
  CHECK(lacking(error_of([&] { writer.add("there", some(1)); }), {"'there'", "already"}) == "");
  CHECK(lacking(error_of([&] { writer.add("", some(1)); }), {"without a name"}) == "");
  const auto refused = [&](const std::function<void(Regions&)>& change) {
    Regions regions = some(2);
    change(regions);
    return error_of([&] { writer.add("new", regions); });
  };
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInfinite = std::numeric_limits<float>::infinity();
  const auto put = [](Tensor& tensor, int64_t at, float value) { tensor.mutable_data<float>()[at] = value; };
  CHECK(lacking(refused([&](Regions& r) { put(r.boxes, 5, kNan); }), {"picture 'new': box 1 is", "nan"}) == "");
  CHECK(lacking(refused([&](Regions& r) { put(r.boxes, 2, 52); }), {"box 0", "50 wide and 40 high"}) == "");
  CHECK(lacking(refused([&](Regions& r) { put(r.boxes, 0, 11); }), {"box 0", "x1 <= x2"}) == "");
  CHECK(lacking(refused([&](Regions& r) { put(r.features, 4, kInfinite); }), {"feature 1 of region 1 is inf"}) == "");
  CHECK(lacking(refused([&](Regions& r) { put(r.distributions, 4, kNan); }), {"class 0 of region 1 is nan"}) == "");
  CHECK(lacking(refused([&](Regions& r) { put(r.distributions, 0, 0.5f); }), {"the sum 1.25"}) == "");
  CHECK(lacking(refused([&](Regions& r) { put(r.confidences, 0, kNan); }), {"confidence of region 0 is nan"}) == "");
  CHECK(lacking(refused([&](Regions& r) { r.objects[1] = 0; }), {"object of region 1 is 0", "1 to 3"}) == "");
  CHECK(lacking(refused([&](Regions& r) { r.objects.pop_back(); }), {"1 objects for 2 boxes"}) == "");
  CHECK(lacking(refused([&](Regions& r) { r.width = 0; }), {"0 wide"}) == "");
  CHECK(lacking(refused([&](Regions& r) { r.features = Tensor::zeros({2, 4}); }), {"expected f32 [2, 3]"}) == "");
  writer.finish();
  CHECK(RegionFile(folder.path() / "r.safetensors").pictures() == 1);
}

TEST_CASE("region file: boxes up to a pixel outside are held to the picture") {
  Regions regions = some(1);
  regions.boxes = Tensor::from(std::vector<float>{-0.5f, 3, 51, 40.25f}, {1, 4});
  check_regions(regions, kFeatures, kClasses, "test");
  CHECK(regions.boxes.to_vector<float>() == std::vector<float>{0, 3, 50, 40});
}

TEST_CASE("region file: a damaged file is refused by file and picture") {
  CHECK(error_after([](SafeTensors&) {}) == "no error");
  const auto number = [](const char* tensor, int64_t at, int64_t value) {
    return [=](SafeTensors& file) { file.tensors.at(tensor).mutable_data<int64_t>()[at] = value; };
  };
  CHECK(lacking(error_after(number("name_ends", 1, 5)), {"three.safetensors: picture 1: its name"}) == "");
  CHECK(lacking(error_after(number("name_ends", 2, 400)), {"picture 2", "to 400"}) == "");
  CHECK(lacking(error_after(number("name_ends", 2, 20)), {"names have 20 bytes of 28"}) == "");
  CHECK(lacking(error_after(number("region_ends", 0, -1)), {"picture 0: its regions go from 0 to -1"}) == "");
  CHECK(lacking(error_after(number("region_ends", 2, 2)), {"their regions are 2 of 3"}) == "");
  CHECK(lacking(error_after(number("sizes", 2, 0)), {"picture 1: its size is 0 x 50"}) == "");
  CHECK(lacking(error_after(number("sizes", 1, 9)), {"picture 'a/first.jpg': box 1", "9 wide"}) == "");
  CHECK(lacking(error_after(number("objects", 2, 9)), {"picture 'third.jpg'", "is 9"}) == "");
  CHECK(lacking(error_after([](SafeTensors& f) { f.tensors.erase("boxes"); }), {"no tensor 'boxes'"}) == "");
  CHECK(lacking(error_after([](SafeTensors& f) {
                  f.tensors.at("boxes") = Tensor::zeros({3, 5});
                }),
                {"'boxes' is 'F32' [3, 5], expected F32 [3, 4]"}) == "");
  CHECK(lacking(error_after([](SafeTensors& f) {
                  f.tensors.at("features") = Tensor::zeros({2, 3});
                }),
                {"'features'", "expected F32 or BF16 [3, 3]"}) == "");
  CHECK(lacking(error_after([](SafeTensors& f) {
                  f.tensors.at("features") = Tensor::zeros({3, 0});
                }),
                {"at least one feature"}) == "");
  CHECK(lacking(error_after([](SafeTensors& f) { f.tensors.at("sizes") = Tensor::scalar(1, DType::i64); }),
                {"'sizes' is 'I64' []"}) == "");
  CHECK(lacking(error_after([](SafeTensors& f) { f.metadata["classes"] = "[\"one\"]"; }), {"'classes'"}) == "");
  CHECK(lacking(error_after([](SafeTensors& f) { f.metadata["classes"] = "[1, 2, 3, 4]"; }), {"a string"}) == "");
  CHECK(lacking(error_after([](SafeTensors& f) { f.metadata["classes"] = "[\"a\", \"b\"]"; }),
                {"'distributions'", "[3, 2]"}) == "");
  CHECK(lacking(error_after([](SafeTensors& f) { f.metadata.erase("format"); }), {"'format'"}) == "");
}

TEST_CASE("region file: a file that is cut short, or none, is refused") {
  const TemporaryDirectory folder;
  const fs::path path = three(folder);
  const std::vector<uint8_t> bytes = read_file(path);
  for (size_t size = 0; size < bytes.size(); size += 41) {
    write_file_atomically(path, std::span(bytes).first(size));
    CHECK(lacking(error_of([&] { RegionFile read(path); }), {"three.safetensors"}) == "");
  }
  CHECK(lacking(error_of([&] { RegionFile read(folder.path() / "missing"); }), {"missing"}) == "");
  const TemporaryDirectory empty;
  CHECK(lacking(error_of([&] { RegionFiles files(empty.path().string()); }), {"no .safetensors"}) == "");
  CHECK(lacking(error_of([&] { RegionFiles files("pipe:cat x"); }), {"a command, expected files"}) == "");
}

TEST_CASE("region file: shards of different detectors, and a picture that is there twice") {
  const TemporaryDirectory folder;
  three(folder, "a.safetensors");
  const fs::path other = three(folder, "b.safetensors");
  CHECK(lacking(error_of([&] { RegionFiles files(folder.path().string()); }),
                {"b.safetensors: picture 'a/first.jpg' is also in", "a.safetensors"}) == "");
  SafeTensors file = load_safetensors(other);
  file.metadata["classes"] = R"(["background", "ring", "Oil", "cross"])";
  save_safetensors(other, file.tensors, file.metadata);
  CHECK(lacking(error_of([&] { RegionFiles files(folder.path().string()); }), {"b.safetensors: its classes"}) == "");
  file.tensors.at("features") = Tensor::zeros({3, 5});
  save_safetensors(other, file.tensors, file.metadata);
  CHECK(lacking(error_of([&] { RegionFiles files(folder.path().string()); }), {"b.safetensors: 5 features", "has 3"}) ==
        "");
}

}  // namespace tessera::region_file_test
