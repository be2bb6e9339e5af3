// How pictures that stay whole are prepared, as files say it; what CLIP's parameters begin with.
#include "models/parts/whole_pictures.h"

#include <doctest/doctest.h>

#include <cmath>

#include "models/clip/initialise.h"
#include "tests/error_text.h"

namespace tessera::whole_pictures_test {
namespace {

using tests::error_of;
using tests::lacking;

std::string refusal(const std::string& json) {
  return error_of([&] { whole_pictures_from_json(json, "p", 16); });
}

}  // namespace

TEST_CASE("whole pictures: what is written is read; cropped ones are others") {
  PictureOptions options;
  options.patch = 16;
  options.shorter = 96;
  options.size_divisor = 32;
  options.respect_orientation = true;
  options.norm.mean = {0.1f, 0.2f, 0.3f};
  options.norm.std = {0.4f, 0.5f, 0.6f};
  for (const bool resize : {true, false}) {
    options.resize = resize;
    const auto read = whole_pictures_from_json(whole_pictures_json(options), "p", 16);
    REQUIRE(read.has_value());
    CHECK(read->resize == resize);
    CHECK(read->shorter == 96);
    CHECK(read->size_divisor == 32);
    CHECK(read->respect_orientation);
    CHECK(read->norm.mean == options.norm.mean);
    CHECK(read->norm.std == options.norm.std);
  }
  CHECK_FALSE(whole_pictures_from_json("{}", "p", 16).has_value());
  CHECK_FALSE(whole_pictures_from_json(R"({"do_center_crop": true, "size": 224})", "p", 16).has_value());
  CHECK(whole_pictures_from_json(R"({"do_center_crop": false})", "p", 16)->shorter == 384);
}

TEST_CASE("whole pictures: values that cannot be") {
  CHECK(lacking(refusal(R"({"do_center_crop": false, "do_rescale": false})"), {"p: field 'do_rescale' is false"}) ==
        "");
  CHECK(lacking(refusal(R"({"do_center_crop": false, "size_divisor": 24})"),
                {"'size_divisor' is 24", "multiple of the patch's 16"}) == "");
  CHECK(lacking(refusal(R"({"do_center_crop": false, "size": 8})"), {"field 'size' is 8, expected 16 or more"}) == "");
  CHECK(lacking(refusal(R"({"do_center_crop": false, "size": 99999999})"), {"expected 1 to 16384"}) == "");
  CHECK(lacking(refusal(R"({"do_center_crop": false, "image_std": [1, 0, 1]})"), {"'image_std' has a 0"}) == "");
  CHECK(lacking(refusal(R"({"do_center_crop": false, "image_mean": [1]})"), {"expected three numbers"}) == "");
  CHECK(lacking(refusal(R"({"do_center_crop": 3})"), {"p: field 'do_center_crop'"}) == "");
  CHECK(lacking(refusal("["), {"p"}) == "");
}

// Bounds: of n draws the deviation is off by about 1 / √(2n); the smallest matrix here has 2,560: 1.4 %, of which five
// times are allowed.
TEST_CASE("clip: initial values are those of the published code, or keep the scale of a layer's inputs") {
  ClipConfig config;
  config.vision = {.hidden_size = 48, .intermediate_size = 192, .num_hidden_layers = 1, .num_attention_heads = 3};
  config.text = {.hidden_size = 40, .intermediate_size = 160, .num_hidden_layers = 2, .num_attention_heads = 2};
  config.image_size = 128;
  config.patch_size = 16;
  config.vocab_size = 600;
  config.max_position_embeddings = 77;
  config.projection_dim = 64;
  for (const ClipInit init : {ClipInit::published, ClipInit::fan_in}) {
    const bool fan_in = init == ClipInit::fan_in;
    Clip model(config);
    initialise(model, init, 3);
    std::map<std::string, double> deviations;
    model.visit("", [&](const std::string& name, Variable& parameter) {
      double square = 0;
      for (const float value : parameter.value().to_vector<float>()) square += double{value} * value;
      deviations[name] = std::sqrt(square / static_cast<double>(parameter.shape().numel()));
    });
    const auto check_deviation = [&](const std::string& name, double expected) {
      CAPTURE(name);
      REQUIRE(deviations.contains(name));
      CHECK(deviations[name] == doctest::Approx(expected).epsilon(0.07));
    };
    const std::string text = "text_model.encoder.layers.1.", vision = "vision_model.encoder.layers.0.";
    check_deviation("text_model.embeddings.token_embedding.weight", 0.02);
    check_deviation("text_model.embeddings.position_embedding.weight", 0.01);
    check_deviation("text_projection.weight", 1 / std::sqrt(40.0));
    check_deviation("visual_projection.weight", 1 / std::sqrt(48.0));
    check_deviation("vision_model.embeddings.position_embedding.weight", 1 / std::sqrt(48.0));
    check_deviation(text + "mlp.fc1.weight", fan_in ? 1 / std::sqrt(40.0) : 1 / std::sqrt(80.0));
    check_deviation(text + "mlp.fc2.weight", 1 / std::sqrt(160.0));  // 2 · 2 layers · 40 = 160 inputs
    // A uniform value within b has the deviation b / √3.
    check_deviation(vision + "self_attn.qkv.weight", fan_in ? 1 / std::sqrt(48.0) : std::sqrt(0.5 / 48));
    check_deviation(vision + "mlp.fc2.weight", 1 / std::sqrt((fan_in ? 1.0 : 3.0) * 192));
    check_deviation("vision_model.embeddings.patch_embedding.weight", 1 / std::sqrt((fan_in ? 1.0 : 3.0) * 768));
    CHECK((deviations[vision + "mlp.fc1.bias"] == 0) == fan_in);
    CHECK(deviations[vision + "self_attn.qkv.bias"] == 0);
    CHECK(deviations[text + "mlp.fc1.bias"] == 0);
    CHECK(deviations["vision_model.post_layernorm.weight"] == 1);
    CHECK(deviations["logit_scale"] == doctest::Approx(2.6592));
  }
}

}  // namespace tessera::whole_pictures_test
