#include <doctest/doctest.h>

#include <cmath>

#include "data/images/image.h"
#include "models/clip/index_pictures.h"
#include "models/clip/preparation.h"
#include "tests/error_text.h"
#include "tests/models/tiny_clip.h"
#include "tests/temporary_directory.h"

namespace tessera::embedder_test {
namespace {

namespace fs = std::filesystem;
using tests::error_of;
using tests::lacking;

void write_picture(const fs::path& file, int height, int width, int seed) {
  Image image{height, width, {}};
  for (int i = 0; i < height * width * 3; ++i)
    image.pixels.push_back(static_cast<uint8_t>((i * 37 + seed * 101) % 251));
  const std::vector<uint8_t> bytes = encode_png(image);
  std::ofstream(file, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

double length_of(const Tensor& row) {
  double sum = 0;
  for (const float value : row.to_vector<float>()) sum += double{value} * value;
  return std::sqrt(sum);
}

}  // namespace

TEST_CASE("embedder: unit vectors, the same for a text or picture alone and among others") {
  const tests::TemporaryDirectory directory;
  tests::write_tiny_clip(directory.path());
  const ClipEmbedder embedder(directory.path(), {});
  const Tensor both = embedder.texts({"a dog", "b"}), one = embedder.texts({"b"});
  CHECK(both.shape() == Shape{2, 6});
  CHECK(length_of(both.select(0, 0)) == doctest::Approx(1));
  for (int64_t i = 0; i < 6; ++i)
    CHECK(both.select(0, 1).to_vector<float>()[static_cast<size_t>(i)] ==
          doctest::Approx(one.to_vector<float>()[static_cast<size_t>(i)]).epsilon(1e-5));
  CHECK(lacking(error_of([&] { embedder.texts({"a text of more than fourteen bytes"}); }),
                {"tokens, the model reads at most 16; --truncate cuts it"}) == "");
  EmbedderOptions cutting;
  cutting.truncate = true;
  CHECK(ClipEmbedder(directory.path(), cutting).texts({"a text of more than fourteen bytes"}).size(0) == 1);
  CHECK(embedder.texts({""}).size(0) == 1);  // start and end are there
}

TEST_CASE("embedder: a vocabulary that is not the model's, or none") {
  const tests::TemporaryDirectory directory;
  tests::write_tiny_clip(directory.path());
  BytePairVocabulary more = byte_pairs_from_merges("#version\na b\n", "more", "<|startoftext|>", "<|endoftext|>");
  write_byte_pair_json(directory.path(), more);
  CHECK(lacking(error_of([&] { ClipEmbedder(directory.path(), {}); }), {"has 515 tokens, the model 514"}) == "");
  fs::remove(directory.path() / "vocab.json");
  const ClipEmbedder without(directory.path(), {});
  CHECK(lacking(error_of([&] { without.texts({"a"}); }), {"there is no tokenizer.json, vocab.json or bpe_simple"}) ==
        "");
}

TEST_CASE("picture index: only what is new or has changed is computed; the file comes back as it was") {
  const tests::TemporaryDirectory directory;
  tests::write_tiny_clip(directory.path());
  const fs::path photos = directory.path() / "photos";
  fs::create_directories(photos / "in");
  for (int i = 0; i < 5; ++i) write_picture(photos / text("p", i, ".png"), 9 + i, 14 - i, i);
  write_picture(photos / "in" / "q.png", 30, 20, 7);
  directory.write("photos/broken.png", "no picture");
  const std::vector<std::string> names{"broken.png", "in/q.png", "p0.png", "p1.png", "p2.png", "p3.png", "p4.png"};
  const ClipEmbedder embedder(directory.path(), {});
  std::vector<std::string> told;
  const auto report = [&](const std::string& line) { told.push_back(line); };
  const IndexUpdate first = index_pictures(embedder, photos, names, {}, 3, {}, report);
  CHECK(first.computed == 6);
  CHECK(first.left_out == 1);
  REQUIRE(told.size() == 1);
  CHECK(told[0].find("broken.png") != std::string::npos);
  CHECK(first.index.vectors.shape() == Shape{6, 6});
  // Each row is its own picture's.
  for (size_t i = 0; i < first.index.entries.size(); ++i) {
    const Tensor own = embedder.pictures({embedder.prepared(photos / first.index.entries[i].name)});
    for (size_t k = 0; k < 6; ++k)
      CHECK(first.index.vectors.select(0, static_cast<int64_t>(i)).to_vector<float>()[k] ==
            doctest::Approx(own.to_vector<float>()[k]).epsilon(1e-5));
  }
  const fs::path file = directory.path() / "index.safetensors";
  first.index.write(file);
  const PictureIndex known = PictureIndex::read(file);
  CHECK(known.vectors.to_vector<float>() == first.index.vectors.to_vector<float>());

  write_picture(photos / "p1.png", 40, 40, 9);
  const std::vector<std::string> fewer{"in/q.png", "p0.png", "p1.png", "p3.png"};
  const IndexUpdate second = index_pictures(embedder, photos, fewer, known, 3, {}, report);
  CHECK(second.computed == 1);
  CHECK(second.index.entries.size() == 4);
  CHECK(second.index.entries[2].name == "p1.png");
  CHECK(second.index.vectors.select(0, 3).to_vector<float>() == known.vectors.select(0, 4).to_vector<float>());
  CHECK(second.index.vectors.select(0, 2).to_vector<float>() != known.vectors.select(0, 2).to_vector<float>());

  PictureIndex of_another = known;
  of_another.model = "another";
  CHECK(index_pictures(embedder, photos, fewer, of_another, 3, {}, report).computed == 4);
  CHECK(index_pictures(embedder, photos, {}, known, 3, {}, report).index.vectors.shape() == Shape{0, 6});
  CHECK(index_pictures(embedder, photos, {"gone.png"}, known, 3, {}, report).left_out == 1);
}

TEST_CASE("picture index: files that are none") {
  const tests::TemporaryDirectory directory;
  const fs::path file = directory.path() / "x.safetensors";
  const Tensor vectors = Tensor::zeros({1, 2});
  const auto refusal = [&](const NamedTensors& tensors, const std::map<std::string, std::string>& metadata) {
    save_safetensors(file.string(), tensors, metadata);
    return error_of([&] { PictureIndex::read(file); });
  };
  CHECK(lacking(refusal({{"vectors", vectors}}, {}), {"not an index of pictures"}) == "");
  CHECK(lacking(refusal({{"vectors", vectors}}, {{"model", "m"}, {"pictures", "{"}}), {"x.safetensors"}) == "");
  CHECK(lacking(refusal({{"vectors", vectors}}, {{"model", "m"}, {"pictures", "[3]"}}), {"x.safetensors"}) == "");
  CHECK(lacking(refusal({{"vectors", vectors}}, {{"model", "m"}, {"pictures", "[]"}}),
                {"0 pictures, but the vectors are"}) == "");
  const std::map<std::string, std::string> one{{"model", "m"},
                                               {"pictures", R"([{"name": "a", "bytes": 3, "changed": 4}])"}};
  CHECK(refusal({{"vectors", vectors}}, one) == "no error");
  for (const float bad : {NAN, INFINITY})
    CHECK(lacking(refusal({{"vectors", Tensor::from(std::vector<float>{1, bad}, {1, 2})}}, one),
                  {"x.safetensors", "the vector of 'a'", "expected numbers"}) == "");
}

TEST_CASE("nearest: falling cosines, of equals the first") {
  const Tensor vectors = Tensor::from(std::vector<float>{1, 0, 0, 1, 1, 0, -1, 0}, {4, 2});
  const Tensor query = Tensor::from(std::vector<float>{1, 0}, {2});
  const auto rows = [&](int64_t top) {
    std::vector<int64_t> out;
    for (const Hit& hit : nearest(vectors, query, top)) out.push_back(hit.row);
    return out;
  };
  CHECK(rows(4) == std::vector<int64_t>{0, 2, 1, 3});
  CHECK(rows(1) == std::vector<int64_t>{0});
  CHECK(rows(100).size() == 4);
  CHECK(nearest(Tensor::zeros({0, 2}), query, 3).empty());
  // All equal, and some that are not numbers: in the order of their rows, those last.
  const Tensor odd = Tensor::from(std::vector<float>{NAN, 0, 1, 1, NAN, 0, 1, 2, 1, 3}, {5, 2});
  std::vector<int64_t> order;
  for (const Hit& hit : nearest(odd, query, 5)) order.push_back(hit.row);
  CHECK(order == std::vector<int64_t>{1, 3, 4, 0, 2});
  CHECK(lacking(error_of([&] { nearest(vectors, Tensor::zeros({3}), 1); }), {"search: vectors are [4, 2]"}) == "");
}

TEST_CASE("clip: preprocessor_config.json") {
  const auto read = [](const std::string& json) { return clip_preparation_from_json(json, "p", 32); };
  const CropPreparation usual = read("{}");
  CHECK(usual.shorter == 32);
  CHECK(usual.rule == CropRule::transformers);
  CHECK(usual.norm.mean == kClipNorm.mean);
  CHECK(read(R"({"size": 40, "crop_size": 32, "resample": 2})").shorter == 40);
  CHECK(read(R"({"size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32}})").shorter == 36);
  CHECK(read(R"({"image_mean": [0.1, 0.2, 0.3]})").norm.mean == std::array<float, 3>{0.1f, 0.2f, 0.3f});
  const auto refusal = [&](const std::string& json) { return error_of([&] { read(json); }); };
  CHECK(lacking(refusal(R"({"crop_size": 31})"), {"p: field 'crop_size' is 31, the model takes 32 x 32 pixels"}) == "");
  CHECK(lacking(refusal(R"({"do_center_crop": false})"), {"p: field 'do_center_crop' is false"}) == "");
  CHECK(lacking(refusal(R"({"size": {"height": 3}})"), {"p: field 'size'", "'shortest_edge' 1 to"}) == "");
  CHECK(lacking(refusal(R"({"resample": 0})"), {"expected 3 (bicubic) or 2 (bilinear)"}) == "");
  CHECK(lacking(refusal(R"({"image_std": [1, 0, 1]})"), {"expected more than 0"}) == "");
  CHECK(lacking(refusal(R"({"image_std": [1, 1]})"), {"expected three numbers"}) == "");
}

}  // namespace tessera::embedder_test
