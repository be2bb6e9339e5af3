#include "data/images/centre_crop.h"

#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "io/files.h"
#include "io/sha256.h"
#include "tensor/error.h"

namespace tessera::centre_crop_test {
namespace {

using doctest::Contains;

// Its level is the number of the row in red, of the column in green.
Image numbered(int height, int width) {
  Image image = make_image(height, width);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      image.row(y)[3 * x] = static_cast<uint8_t>(y + 1);
      image.row(y)[3 * x + 1] = static_cast<uint8_t>(x + 1);
    }
  return image;
}

std::string digest_of(const std::vector<uint8_t>& bytes) {
  Sha256 digest;
  digest.add({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  return digest.hexadecimal();
}

// The rows' numbers of a crop of a single column.
std::vector<int> rows_of(int height, int crop, CropRule rule) {
  const Image image = centre_crop(numbered(height, 1), {crop, 1}, rule);
  std::vector<int> rows;
  for (int y = 0; y < crop; ++y) rows.push_back(image.row(y)[0]);
  return rows;
}

}  // namespace

TEST_CASE("shorter_side_size: the longer side is rounded down") {
  CHECK(shorter_side_size(61, 97, 32) == ImageSize{32, 50});
  CHECK(shorter_side_size(131, 45, 40) == ImageSize{116, 40});
  CHECK(shorter_side_size(1, 1, 24) == ImageSize{24, 24});
  CHECK(shorter_side_size(5, 5, 1) == ImageSize{1, 1});
  CHECK_THROWS_WITH_AS(shorter_side_size(0, 4, 224), Contains("4 x 0 pixels"), Error);
  CHECK_THROWS_WITH_AS(shorter_side_size(1, 1'000'000, 224), Contains("the limit is 1048576"), Error);
  CHECK_THROWS_WITH_AS(shorter_side_size(4, 4, 0), Contains("expected 1 to 65536"), Error);
}

TEST_CASE("centre_crop: the two rules differ where three modulo four are left over") {
  using enum CropRule;
  CHECK(rows_of(5, 5, transformers) == std::vector{1, 2, 3, 4, 5});
  CHECK(rows_of(6, 3, transformers) == std::vector{2, 3, 4});
  CHECK(rows_of(6, 3, torchvision) == std::vector{3, 4, 5});
  CHECK(rows_of(4, 3, transformers) == std::vector{1, 2, 3});
  CHECK(rows_of(4, 3, torchvision) == std::vector{1, 2, 3});
  CHECK(rows_of(8, 3, torchvision) == std::vector{3, 4, 5});
  // Padding: an odd row more in front, or behind.
  CHECK(rows_of(2, 5, transformers) == std::vector{0, 0, 1, 2, 0});
  CHECK(rows_of(2, 5, torchvision) == std::vector{0, 1, 2, 0, 0});
  const Image padded = centre_crop(numbered(1, 3), {2, 1}, torchvision, {7, 8, 9});
  CHECK(padded.pixels == std::vector<uint8_t>{1, 2, 0, 7, 8, 9});
  CHECK_THROWS_AS(centre_crop(numbered(1, 1), {0, 1}, torchvision), Error);
}

TEST_CASE("resize_nearest: sources are floors of a running sum") {
  const Image grown = resize_nearest(numbered(2, 3), {4, 7});
  std::vector<int> rows, columns;
  for (int y = 0; y < 4; ++y) rows.push_back(grown.row(y)[0]);
  for (int x = 0; x < 7; ++x) columns.push_back(grown.row(0)[3 * x + 1]);
  CHECK(rows == std::vector{1, 1, 2, 2});
  CHECK(columns == std::vector{1, 1, 2, 2, 2, 3, 3});
  CHECK(resize_nearest(numbered(1, 1), {2, 2}).pixels == std::vector<uint8_t>{1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 1, 0});
}

TEST_CASE("composite_on_white: as the real quotient, rounded, but for one level") {
  PictureWithAlpha picture;
  picture.image = make_image(256, 256);
  picture.alpha = picture.image;
  for (int y = 0; y < 256; ++y)
    for (int x = 0; x < 256; ++x) {
      std::fill_n(picture.image.row(y) + 3 * x, 3, static_cast<uint8_t>(x));
      std::fill_n(picture.alpha.row(y) + 3 * x, 3, static_cast<uint8_t>(y));
    }
  const Image result = composite_on_white(picture);
  int largest = 0;
  for (int y = 0; y < 256; ++y)
    for (int x = 0; x < 256; ++x) {
      const double exact = (x * y + 255.0 * (255 - y)) / 255;
      largest = std::max(largest, std::abs(result.row(y)[3 * x] - static_cast<int>(exact + 0.5)));
    }
  CHECK(largest <= 1);
  CHECK(result.row(255)[3 * 77] == 77);
  CHECK(result.row(0)[3 * 77] == 255);
}

// Levels that Pillow 13 gives for PNG and WebP of each kind: its own compositing and conversion, torchvision's order
// restated with its functions, sizes and offsets of both libraries (crop_forms/README.md).
TEST_CASE("prepare_crop: every kind of file by both rules, bicubic and bilinear") {
  const std::filesystem::path folder = std::filesystem::path(TESSERA_SOURCE_DIR) / "tests/data/images/crop_forms";
  std::ifstream in(folder / "cases.json");
  const nlohmann::json cases = nlohmann::json::parse(in);
  CHECK(cases.size() == 80);
  for (const nlohmann::json& row : cases) {
    const std::string name = row.at("file");
    const PictureWithAlpha picture = decode_with_alpha(read_file(folder / name), name);
    CropPreparation preparation;
    preparation.shorter = row.at("short");
    preparation.crop = {row.at("crop").at(0), row.at("crop").at(1)};
    preparation.filter = row.at("filter") == "bicubic" ? FilterKind::bicubic : FilterKind::bilinear;
    for (const char* rule : {"transformers", "torchvision"}) {
      preparation.rule = rule[1] == 'r' ? CropRule::transformers : CropRule::torchvision;
      INFO(row.dump() << rule);
      CHECK(digest_of(prepare_crop(picture, preparation).pixels) == row.at(rule).get<std::string>());
    }
  }
}

TEST_CASE("normalised_planes: channel, row, column") {
  const Image image = numbered(2, 3);
  std::vector<float> planes(18);
  normalised_planes(image, kImageNetNorm, planes);
  CHECK(planes[0] == (1.0f / 255 - 0.485f) / 0.229f);
  CHECK(planes[6 + 5] == (3.0f / 255 - 0.456f) / 0.224f);
  CHECK(planes[12] == (0.0f - 0.406f) / 0.225f);
  CHECK_THROWS_WITH_AS(normalised_planes(image, kClipNorm, std::span(planes).first(17)), Contains("17 values"), Error);
  const CropPreparation test = imagenet_preparation();
  CHECK(test.shorter == 256);
  CHECK(test.crop == ImageSize{224, 224});
  CHECK(clip_preparation(336).shorter == 336);
}

}  // namespace tessera::centre_crop_test
