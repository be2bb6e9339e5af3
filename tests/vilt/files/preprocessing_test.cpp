#include "vilt/files/preprocessing.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "tests/error_text.h"
#include "tests/temporary_directory.h"

namespace tessera::preprocessing_test {
namespace {

using tests::error_of;
using tests::lacking;
using Levels = std::array<float, 3>;

SampleOptions read(const std::string& json, int patch = 32) {
  const tests::TemporaryDirectory directory;
  return read_preprocessing(directory.write("preprocessor_config.json", json), patch);
}

// The error without the folder's path.
std::string error_with(const std::string& json, int patch = 32) {
  const std::string error = error_of([&] { read(json, patch); });
  const size_t name = error.find("preprocessor_config.json: ");
  return name == std::string::npos ? "no file in: " + error : error.substr(name + 26);
}

void check_published(const SampleOptions& options) {
  CHECK(options.resize);
  CHECK(options.shorter == 384);
  CHECK(options.patch == 32);
  CHECK(options.divisor() == 32);
  CHECK(options.norm.mean == Levels{0.5f, 0.5f, 0.5f});
  CHECK(options.norm.std == Levels{0.5f, 0.5f, 0.5f});
  CHECK_FALSE(options.respect_orientation);
}

}  // namespace

TEST_CASE("Files of the published checkpoints, old and new, and an empty object say the same") {
  check_published(read(R"({"do_normalize": true, "do_resize": true, "feature_extractor_type": "ViltFeatureExtractor",
      "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "resample": 3, "size": 384, "size_divisor": 32})"));
  check_published(read(R"({"do_normalize": true, "do_pad": true, "do_rescale": true, "do_resize": true,
      "image_mean": [0.5, 0.5, 0.5], "image_processor_type": "ViltImageProcessor", "image_std": [0.5, 0.5, 0.5],
      "resample": 3, "rescale_factor": 0.00392156862745098, "size": {"shortest_edge": 384}, "size_divisor": 32})"));
  check_published(read(R"({"image_processor": {"image_processor_type": "ViltImageProcessorPil",
      "size": {"shortest_edge": 384}}, "processor_class": "ViltProcessor"})"));
  check_published(read("{}"));
  check_published(
      read(R"({"size": null, "image_mean": null, "resample": null, "do_resize": null, "crop_size": null})"));
  check_published(default_preprocessing(32));
}

TEST_CASE("Every field is followed") {
  const SampleOptions options = read(R"({"size": {"shortest_edge": 96}, "size_divisor": 48, "do_resize": true,
      "image_mean": [0.1, 0.2, 0.3], "image_std": 0.25, "do_pad": false, "respect_orientation": true})",
                                     16);
  CHECK(options.shorter == 96);
  CHECK(options.patch == 16);
  CHECK(options.divisor() == 48);
  CHECK(options.norm.mean == Levels{0.1f, 0.2f, 0.3f});
  CHECK(options.norm.std == Levels{0.25f, 0.25f, 0.25f});
  CHECK(options.respect_orientation);
  CHECK(prepare_image(make_image(100, 130), options, "a").image.width == 96);  // 125 in multiples of 48
  const SampleOptions raw = read(R"({"do_normalize": false, "do_resize": false, "resample": 2})");
  CHECK_FALSE(raw.resize);
  CHECK(raw.norm.mean == Levels{0, 0, 0});
  CHECK(raw.norm.std == Levels{1, 1, 1});
}

TEST_CASE("The divisor that is not told is 32, or what it takes to be whole patches") {
  CHECK(read("{}", 16).divisor() == 32);
  CHECK(read("{}", 24).divisor() == 48);
  CHECK(default_preprocessing(64).divisor() == 64);
  CHECK(error_of([] { default_preprocessing(0); }) == "preprocessing: patches of 0 pixels, expected 1 to 4096");
}

TEST_CASE("Wrong fields are named with what they are and what is expected") {
  CHECK(error_with(R"({"size": "384"})") == "field 'size' is \"384\", expected a whole number from 32 to 16384");
  CHECK(error_with(R"({"size": 384.5})") == "field 'size' is 384.5, expected a whole number from 32 to 16384");
  CHECK(error_with(R"({"size": 16})") == "field 'size' is 16, expected a whole number from 32 to 16384");
  CHECK(error_with(R"({"size": 18446744073709551615})") ==
        "field 'size' is 18446744073709551615, expected a whole number from 32 to 16384");
  CHECK(error_with(R"({"size": {"shortest_edge": -1}})") ==
        "field 'size' is -1, expected a whole number from 32 to 16384");
  CHECK(
      error_with(R"({"size": {"height": 224, "width": 224}})") ==
      "field 'size' is {\"height\":224,\"width\":224}, expected a whole number or {\"shortest_edge\": a whole number}");
  CHECK(error_with(R"({"size_divisor": 0})") == "field 'size_divisor' is 0, expected a whole number from 1 to 4096");
  CHECK(error_with(R"({"size_divisor": 640})") == "field 'size_divisor' is 640, expected at most the size, 384");
  CHECK(error_with(R"({"size_divisor": 24})", 16) ==
        "field 'size_divisor' is 24, expected a multiple of the model's patch, 16");
  CHECK(error_with(R"({"resample": 2})") == "field 'resample' is 2, expected 3 (bicubic, the only one supported)");
  CHECK(error_with(R"({"do_rescale": false})") ==
        "field 'do_rescale' is false, expected true: levels are always scaled to 0..1");
  CHECK(error_with(R"({"rescale_factor": 1})") == "field 'rescale_factor' is 1, expected 1/255");
  CHECK(error_with(R"({"rescale_factor": "1/255"})") == "field 'rescale_factor' is \"1/255\", expected 1/255");
  CHECK(error_with(R"({"do_resize": 1})") == "field 'do_resize' is 1, expected true or false");
  CHECK(error_with(R"({"do_normalize": "no"})") == "field 'do_normalize' is \"no\", expected true or false");
  CHECK(error_with(R"({"respect_orientation": 0})") == "field 'respect_orientation' is 0, expected true or false");
  CHECK(error_with(R"({"image_mean": [0.5, 0.5]})") == "field 'image_mean' is [0.5,0.5], expected a number or three");
  CHECK(error_with(R"({"image_mean": [0.5, "x", 0]})") ==
        "field 'image_mean' is [0.5,\"x\",0], expected finite numbers");
  CHECK(error_with(R"({"image_mean": 1e300})") == "field 'image_mean' is 1e+300, expected finite numbers");
  CHECK(error_with(R"({"image_std": [1, 0, 1]})") == "field 'image_std' is [1,0,1], expected numbers more than 0");
  CHECK(
      error_with(R"({"image_processor_type": "CLIPImageProcessor"})") ==
      "field 'image_processor_type' is \"CLIPImageProcessor\", expected ViltImageProcessor: images of other models are "
      "prepared in another way");
  CHECK(lacking(error_with(R"({"feature_extractor_type": 3})"), {"field 'feature_extractor_type' is 3"}) == "");
  CHECK(lacking(error_with("{\"size\": \"" + std::string(1000, 'x') + "\"}"), {"xxx..., expected"}) == "");
  for (const char* other : {"[]", "3"}) CHECK(error_with(other) == "not a JSON object");
  for (const char* broken : {"", "{", "{\"size\": NaN}"})
    CHECK(lacking(error_with(broken), {"not valid JSON: "}) == "");
  CHECK(error_with(R"({"size": 384, "size": 96})") == "duplicate key 'size'");
  CHECK(error_of([] { preprocessing_from_json("[]", "memory", 32); }) == "memory: not a JSON object");
}

TEST_CASE("Where a checkpoint's preprocessing is found") {
  const tests::TemporaryDirectory directory;
  CHECK_FALSE(find_preprocessing(directory.path(), 32));
  directory.write("processor_config.json", R"({"processor_class": "ViltProcessor"})");
  CHECK_FALSE(find_preprocessing(directory.path(), 32));
  directory.write("processor_config.json", R"({"image_processor": {"size": {"shortest_edge": 64}}})");
  CHECK(find_preprocessing(directory.path(), 32)->shorter == 64);
  directory.write("processor_config.json", R"({"image_processor": {"size": true}})");
  CHECK(lacking(error_of([&] { find_preprocessing(directory.path(), 32); }),
                {"processor_config.json: field 'size' is true"}) == "");
  directory.write("preprocessor_config.json", R"({"size": 128})");
  CHECK(find_preprocessing(directory.path(), 32)->shorter == 128);
  CHECK(lacking(error_of([&] { read_preprocessing(directory.path() / "other.json", 32); }), {"other.json"}) == "");
}

TEST_CASE("What is written reads back to the same, with all that transformers asks for") {
  SampleOptions options;
  options.shorter = 80;
  options.patch = 16;
  options.norm.mean = {0.2f, 51.0f / 255.0f, 0.1f};
  options.norm.std = {1, 64.0f / 255.0f, 2};
  for (const bool flag : {false, true}) {
    options.resize = flag;
    options.respect_orientation = flag;
    const SampleOptions again = read(preprocessing_json(options), 16);
    CHECK(again.resize == flag);
    CHECK(again.respect_orientation == flag);
    CHECK(again.shorter == 80);
    CHECK(again.divisor() == 16);
    CHECK(again.norm.mean == options.norm.mean);
    CHECK(again.norm.std == options.norm.std);
  }
  const auto fields = nlohmann::json::parse(preprocessing_json(SampleOptions{}));
  CHECK(fields == nlohmann::json::parse(R"({"do_normalize": true, "do_pad": true, "do_rescale": true,
      "do_resize": true, "image_mean": [0.5, 0.5, 0.5], "image_processor_type": "ViltImageProcessor",
      "image_std": [0.5, 0.5, 0.5], "resample": 3, "rescale_factor": 0.00392156862745098,
      "size": {"shortest_edge": 384}, "size_divisor": 32})"));
}

}  // namespace tessera::preprocessing_test
