// data/clip_images: pictures of every kind of PNG prepared by the published order and by transformers', levels and
// normalised values.
#include <bit>
#include <filesystem>

#include "data/images/centre_crop.h"
#include "io/files.h"
#include "io/safetensors.h"
#include "tests/golden/harness.h"
#include "tests/golden/json.h"
#include "tests/golden/pictures.h"

namespace tessera::golden {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

Image levels_of(const Tensor& tensor) {  // u8 [height, width, 3]
  Image image = make_image(static_cast<int>(tensor.shape()[0]), static_cast<int>(tensor.shape()[1]));
  image.pixels = tensor.to_vector<uint8_t>();
  return image;
}

// Little-endian bytes of float32, as the digests are made of.
std::string digest_of(const std::vector<float>& values) {
  std::vector<uint8_t> bytes;
  bytes.reserve(values.size() * 4);
  for (const float value : values)
    for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<uint8_t>(std::bit_cast<uint32_t>(value) >> (8 * i)));
  return sha256(bytes);
}

struct Expected {
  Image transformers, original;
  std::vector<float> pixel_values;  // of transformers; none where there is only their digest
};

Expected expected_of(const fs::path& directory, const std::string& stem) {
  if (fs::exists(directory / (stem + ".safetensors"))) {
    const SafeTensors file = load_safetensors((directory / (stem + ".safetensors")).string());
    return {levels_of(file.at("hf.u8")), levels_of(file.at("openai.u8")),
            file.at("hf.pixel_values").to_vector<float>()};
  }
  Expected expected{read_image(directory / (stem + ".hf.png")), {}, {}};
  const fs::path original = directory / (stem + ".openai.png");
  expected.original = fs::exists(original) ? read_image(original) : expected.transformers;
  return expected;
}

void compare_picture(const fs::path& directory, const json& row) {
  const std::string name = row.at("file");
  const Expected expected = expected_of(directory, name.substr(0, name.find('.')));
  const PictureWithAlpha picture = decode_with_alpha(read_file(directory / name), name);
  check(picture.image.width == row.at("width") && picture.image.height == row.at("height"), name, ": another size");
  CropPreparation preparation;
  preparation.shorter = row.at("shortest_edge");
  preparation.crop = {row.at("crop").at(0), row.at("crop").at(1)};
  for (const bool of_transformers : {true, false}) {
    preparation.rule = of_transformers ? CropRule::transformers : CropRule::torchvision;
    const std::string what = name + (of_transformers ? " by transformers" : " by the published order");
    const Image got = prepare_crop(picture, preparation);
    check_equal(got, of_transformers ? expected.transformers : expected.original, what);
    std::vector<float> planes(got.pixels.size());
    normalised_planes(got, preparation.norm, planes);
    check(digest_of(planes) == row.at(of_transformers ? "hf_sha256" : "openai_sha256").get<std::string>(), what,
          ": normalised values have another digest");
    if (of_transformers && !expected.pixel_values.empty())
      check(planes == expected.pixel_values, what, ": normalised values differ");
  }
}

void compare_levels_of_clip(const fs::path& file) {
  const SafeTensors levels = load_safetensors(file.string());
  const PatchExtractor extractor(1, kClipNorm);
  for (const char* key : {"hf", "openai"}) {
    const std::vector<float> values = levels.at(key).to_vector<float>();  // [3, 256]
    check(values.size() == 3 * 256, file.string(), ": ", key, " has ", values.size(), " values");
    for (size_t i = 0; i < values.size(); ++i) {
      const float got = extractor.value(static_cast<int>(i / 256), static_cast<uint8_t>(i % 256));
      check(std::bit_cast<uint32_t>(got) == std::bit_cast<uint32_t>(values[i]), file.string(), ": ", key, ": level ",
            i % 256, " of channel ", i / 256, " is ", got, ", expected ", values[i]);
    }
  }
}

}  // namespace

Outcome run_clip_images(const fs::path& directory) {
  compare_levels_of_clip(directory / "levels.safetensors");
  const json index = read_json(directory / "index.json");
  std::string failures;
  for (const json& row : index.at("images")) {
    try {
      compare_picture(directory, row);
    } catch (const Error& error) {
      failures += text(failures.empty() ? "" : "; ", error.what());
    }
  }
  if (!failures.empty()) return {false, failures};
  return {!index.at("images").empty(), text(index.at("images").size(),
                                            " pictures by two rules, 256 levels: all equal "
                                            "bit for bit")};
}

}  // namespace tessera::golden
