#include "vilt/tasks/example_pictures.h"

#include <doctest/doctest.h>

#include "data/images/resize.h"
#include "report/heat_map.h"
#include "tests/vilt/tiny_model.h"
#include "vilt/ask/inference.h"

namespace tessera::example_pictures_test {
namespace {

using tests::tiny_settings;
using tests::TinyModel;

Image decoded(const EventImage& image) {
  return decode_image({reinterpret_cast<const uint8_t*>(image.png.data()), image.png.size()}, image.tag, {});
}

// The half of a picture.
Image half(const Image& image, bool right) {
  Image out = make_image(image.height, image.width / 2);
  for (int y = 0; y < out.height; ++y)
    std::copy_n(image.row(y) + (right ? out.width * 3 : 0), out.width * 3, out.row(y));
  return out;
}

}  // namespace

TEST_CASE("An example is the picture, and beside it the map of its words' attention") {
  const TinyModel tiny(tiny_settings(), DType::f32);
  const Dataset dataset = tests::tiny_scenes().open("test");
  const SampleSource source(dataset, tests::tiny_scenes().vocabulary(), sample_options(tiny_settings()));
  std::vector<PictureExample> examples;
  for (const int64_t s : {3, 8, 21})
    examples.push_back({source.caption(s), source.text(s).ids, {source.resized(source.image_of(s))}});
  const std::vector<EventImage> out = example_pictures(tiny.model, source, examples, {});
  REQUIRE(out.size() == 3);
  for (size_t i = 0; i < out.size(); ++i) {
    CAPTURE(i);
    CHECK(out[i].tag == text("examples/", i + 1, '/', examples[i].words));
    const Image both = decoded(out[i]), &picture = examples[i].pictures[0]->image;
    CHECK(both.height == kExampleHeight);
    CHECK(both.height == out[i].height);
    CHECK(both.width == out[i].width);
    const ImageSize shown{both.height, both.width / 2};
    CHECK(half(both, false).pixels == resize_bicubic(picture, shown).pixels);
    const auto maps = word_maps(
        tiny.model,
        {{examples[i].ids, {std::make_shared<const PatchedImage>(source.patched(*examples[i].pictures[0]))}}});
    std::vector<float> weights(static_cast<size_t>(maps[0].patches));
    for (int64_t word = 0; word < maps[0].words; ++word)
      for (size_t p = 0; p < weights.size(); ++p)
        weights[p] += maps[0].attention.back()[static_cast<size_t>(word) * weights.size() + p];
    const Image map =
        resize_bicubic(overlay_heat_map(picture, weights, source.grid(*examples[i].pictures[0]), 1), shown);
    const Image shown_map = half(both, true);
    REQUIRE(shown_map.pixels.size() == map.pixels.size());
    int largest = 0;
    for (size_t p = 0; p < map.pixels.size(); ++p)
      largest = std::max(largest, std::abs(map.pixels[p] - shown_map.pixels[p]));
    CHECK(largest <= 1);  // batches round otherwise
  }
}

TEST_CASE("A pair has two, and a name no slash, no line break and no half character") {
  Settings settings = tiny_settings();
  settings.model.modality_type_vocab_size = 3;
  const TinyModel tiny(settings, DType::f32);
  const Dataset dataset = tests::tiny_scenes().open("test");
  const SampleSource source(dataset, tests::tiny_scenes().vocabulary(), sample_options(settings));
  const std::string words = "a/b\nc " + std::string(53, 'x') + "ä and more";  // ä has the bytes 59 and 60
  const std::vector<PictureExample> examples{{words, source.text(0).ids, {source.resized(0), source.resized(1)}}};
  const std::vector<EventImage> out = example_pictures(tiny.model, source, examples, {});
  REQUIRE(out.size() == 2);
  const std::string name = "a b c " + std::string(53, 'x') + "…";
  CHECK(out[0].tag == "examples/1, left/" + name);
  CHECK(out[1].tag == "examples/1, right/" + name);
  CHECK(half(decoded(out[0]), false).pixels != half(decoded(out[1]), false).pixels);
}

TEST_CASE("As many as are asked for, spread over the samples") {
  Settings settings;
  CHECK(example_samples(8, settings) == std::vector<int64_t>{0, 2, 4, 6});
  CHECK(example_samples(3, settings) == std::vector<int64_t>{0, 1, 2});
  settings.train.tensorboard_pictures = 0;
  CHECK(example_samples(8, settings).empty());
  settings.train.tensorboard_pictures = 2;
  settings.train.tensorboard = false;
  CHECK(example_samples(8, settings).empty());
}

}  // namespace tessera::example_pictures_test
