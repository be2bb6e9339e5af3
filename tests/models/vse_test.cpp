#include <doctest/doctest.h>

#include <cmath>

#include "autograd/functions.h"
#include "models/clip/modified_resnet.h"
#include "models/vse/model.h"
#include "nn/init.h"
#include "tests/error_text.h"

namespace tessera::vse_test {
namespace {

using tests::error_of;
using tests::lacking;

std::string refusal(const std::string& json) {
  return error_of([&] { VseConfig::from_json(json, "c"); });
}

Vse drawn(VseConfig config) {
  Vse model(config);
  model.visit("", [](const std::string& name, Variable& parameter) {
    if (parameter.requires_grad()) init_normal_(parameter, name, 3, 0.3);
  });
  return model;
}

}  // namespace

TEST_CASE("vse: configuration") {
  const VseConfig config = VseConfig::from_json(
      R"({"vocab": 9, "embed": 8, "resnet": {"block": "basic", "layers": [1, 1], "widths": [3, 4]}})", "c");
  CHECK(config.features == 4);
  CHECK(config.word_dim == 300);
  CHECK(VseConfig::from_json(R"({"vocab": 9, "resnet": {"layers": [1], "widths": [3]}})", "c").features == 12);
  CHECK(lacking(refusal("{}"), {"c: field 'vocab' is 0"}) == "");
  CHECK(lacking(refusal(R"({"vocab": 3, "resnet": {"block": "x"}})"), {"field 'resnet.block' is"}) == "");
  CHECK(lacking(refusal(R"({"vocab": 3, "resnet": {"layers": []}})"), {"field 'resnet.layers' is no list"}) == "");
  CHECK(lacking(refusal(R"({"vocab": 3, "resnet": {"layers": [1], "widths": [0]}})"), {"from 1 to 65536"}) == "");
  CHECK(lacking(error_of([] { ResNet({.layers = {1, 1}, .widths = {2}}); }), {"2 stages of 1 widths"}) == "");
  CHECK(lacking(error_of([] { VseTexts::of({{1}, {}}); }), {"vse: text 1 has no words"}) == "");
}

TEST_CASE("vse: order similarity is 0, with no gradient, where a text demands nothing more") {
  VseConfig config;
  config.vocab = 5;
  config.features = 3;
  config.embed = 2;
  config.word_dim = 4;
  config.measure = VseMeasure::order;
  const Vse model(config);
  const Variable images(Tensor::from(std::vector<float>{1, 2, 0, 0}, {2, 2}), true);
  const Variable texts(Tensor::from(std::vector<float>{1, 1, 3, 4}, {2, 2}), true);
  const Variable similarity = model.similarity(images, texts);
  const auto values = similarity.value().to_vector<float>();
  CHECK(std::abs(values[0]) < 1e-15);
  CHECK(values[1] == doctest::Approx(-std::sqrt(8.0)));
  CHECK(values[2] == doctest::Approx(-std::sqrt(2.0)));
  CHECK(values[3] == doctest::Approx(-5));
  sum(narrow(narrow(similarity, 0, 0, 1), 1, 0, 1)).backward();
  for (const Variable* each : {&images, &texts})
    for (const float gradient : each->grad().to_vector<float>()) CHECK(gradient == 0);
}

TEST_CASE("vse: a text alone and among others of other lengths; pictures need the network that reads them") {
  VseConfig config;
  config.vocab = 11;
  config.features = 5;
  config.embed = 6;
  config.word_dim = 4;
  config.layers = 2;
  const Vse model = drawn(config);
  const auto embeddings = [&](const std::vector<std::vector<int64_t>>& texts) {
    return model.text_embeddings(VseTexts::of(texts)).embeddings.value().to_vector<float>();
  };
  const auto alone = embeddings({{3, 1, 4}}), together = embeddings({{1}, {3, 1, 4}, {5, 9, 2, 6, 5}});
  for (size_t i = 0; i < 6; ++i) CHECK(together[6 + i] == doctest::Approx(alone[i]).epsilon(1e-5));
  CHECK(lacking(error_of([&] {
                  model.cnn_features(Variable(Tensor::zeros({1, 3, 8, 8})), false);
                }),
                {"takes features of pictures, not pixels"}) == "");
}

TEST_CASE("modified resnet: sizes that it does not take") {
  CHECK(lacking(error_of([] { ModifiedResNet({.width = 3}); }), {"expected an even width"}) == "");
  CHECK(lacking(error_of([] { ModifiedResNet({.width = 2, .heads = 1, .image_size = 40}); }), {"a multiple of 32"}) ==
        "");
  CHECK(lacking(error_of([] { ModifiedResNet({.width = 2, .heads = 7}); }), {"64 channels for 7 heads"}) == "");
  const ModifiedResNet model({.layers = {1, 1, 1, 1}, .width = 2, .output_dim = 3, .heads = 4, .image_size = 32});
  CHECK(lacking(error_of([&] {
                  model(Variable(Tensor::zeros({1, 3, 64, 64})), false);
                }),
                {"4 cells at the end, the position table has 1"}) == "");
  CHECK(model(Variable(Tensor::zeros({2, 3, 32, 32})), false).features.shape() == Shape{2, 3});
}

}  // namespace tessera::vse_test
