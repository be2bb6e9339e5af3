#include <doctest/doctest.h>

#include <cmath>

#include "models/vilbert/heads.h"
#include "nn/init.h"
#include "tests/error_text.h"

namespace tessera::vilbert_test {
namespace {

using tests::error_of;
using tests::lacking;

VilbertConfig small_config() {
  VilbertConfig c;
  c.text = {.vocab_size = 17,
            .hidden_size = 6,
            .num_hidden_layers = 2,
            .num_attention_heads = 3,
            .intermediate_size = 7,
            .max_position_embeddings = 5};
  c.v_feature_size = 3;
  c.v_target_size = 4;
  c.v_hidden_size = 8;
  c.v_num_hidden_layers = 1;
  c.v_num_attention_heads = 2;
  c.v_intermediate_size = 5;
  c.bi_hidden_size = 10;
  c.bi_num_attention_heads = 5;
  c.v_biattention_id = {0};
  c.t_biattention_id = {1};
  c.num_answers = 3;
  return c;
}

template <class Model>
Model drawn() {
  Model model(small_config());
  model.visit("", [](const std::string& name, Variable& parameter) { init_normal_(parameter, name, 5, 0.4); });
  return model;
}

PictureRows picture(int64_t regions, float start = 0) {
  std::vector<float> features, boxes;
  for (int64_t i = 0; i < regions; ++i) {
    const float x = start + static_cast<float>(i);
    features.insert(features.end(), {x, 1 - x, 0.5f * x});
    boxes.insert(boxes.end(), {x, 0, x + 2, 3});
  }
  return picture_rows(Tensor::from(features, {regions, 3}), Tensor::from(boxes, {regions, 4}), 10, 6);
}

std::string refusal(const std::string& json) {
  return error_of([&] { VilbertConfig::from_json(json, "c"); });
}

}  // namespace

TEST_CASE("vilbert: configuration and schedule") {
  using Kind = VilbertStep::Kind;
  const VilbertConfig base = VilbertConfig::from_json("{}", "c");
  CHECK(base.v_hidden_size == 1024);
  const std::vector<VilbertStep> steps = vilbert_schedule(base);
  CHECK(steps.size() == 12 + 6 + 6);
  CHECK(steps[5] == VilbertStep{Kind::text, 5});
  CHECK(steps[6] == VilbertStep{Kind::both, 0});
  CHECK(steps[7] == VilbertStep{Kind::vision, 0});
  CHECK(steps[8] == VilbertStep{Kind::text, 6});
  CHECK(steps[9] == VilbertStep{Kind::both, 1});
  CHECK(steps.back() == VilbertStep{Kind::text, 11});
  VilbertConfig apart = small_config();
  apart.v_biattention_id = apart.t_biattention_id = {};
  CHECK(vilbert_schedule(apart) == std::vector<VilbertStep>{{Kind::vision, 0}, {Kind::text, 0}, {Kind::text, 1}});

  CHECK(lacking(refusal(R"({"v_hidden_size": 0})"), {"c: field 'v_hidden_size' is 0"}) == "");
  CHECK(lacking(refusal(R"({"bi_num_attention_heads": 7})"), {"'bi_num_attention_heads' is 7", "1024"}) == "");
  CHECK(lacking(refusal(R"({"v_biattention_id": [0, 1]})"), {"have 2 and 6 places"}) == "");
  CHECK(lacking(refusal(R"({"v_biattention_id": 3})"), {"'v_biattention_id' is no list"}) == "");
  CHECK(lacking(refusal(R"({"v_biattention_id": [-1]})"), {"the value -1"}) == "");
  CHECK(lacking(refusal(R"({"v_biattention_id": [2, 1], "t_biattention_id": [1, 2]})"), {"has 1 after 2"}) == "");
  CHECK(lacking(refusal(R"({"v_biattention_id": [7], "t_biattention_id": [1]})"), {"7 after 0 of 6 layers"}) == "");
}

TEST_CASE("vilbert: the row of the whole picture, places by hand") {
  const PictureRows rows = picture(2);
  CHECK(rows.features.to_vector<float>() == std::vector<float>{0.5f, 0.5f, 0.25f, 0, 1, 0, 1, 0, 0.5f});
  const std::vector<float> places = rows.locations.to_vector<float>();
  const double expected[] = {0, 0, 1, 1, 1, 0, 0, 0.2, 0.5, 0.1, 0.1, 0, 0.3, 0.5, 0.1};
  REQUIRE(places.size() == 15);
  for (size_t i = 0; i < places.size(); ++i) CHECK(places[i] == doctest::Approx(expected[i]));
}

TEST_CASE("vilbert: input that it does not take") {
  const VilbertConfig config = small_config();
  const auto texts = [&](const std::vector<std::vector<int64_t>>& ids,
                         const std::vector<std::vector<int64_t>>& segments = {}) {
    return error_of([&] { VilbertTexts::of(ids, config, segments); });
  };
  CHECK(lacking(texts({}), {"there are no texts"}) == "");
  CHECK(lacking(texts({{1}, {}}), {"text 1 has 0 tokens, expected 1 to 5"}) == "");
  CHECK(lacking(texts({{1, 2, 3, 4, 5, 6}}), {"text 0 has 6 tokens"}) == "");
  CHECK(lacking(texts({{1, 17}}), {"text 0 has the token 17, expected 0 to 16"}) == "");
  CHECK(lacking(texts({{-1}}), {"the token -1"}) == "");
  CHECK(lacking(texts({{1, 2}}, {{0}}), {"2 tokens and segments of 1"}) == "");
  CHECK(lacking(texts({{1, 2}}, {{0, 2}}), {"the segment 2, expected 0 to 1"}) == "");
  CHECK(lacking(texts({{1, 2}}, {{0, 0}, {1}}), {"segments of 2 texts, not 1"}) == "");

  const auto pictures = [&](const std::vector<PictureRows>& rows) {
    return error_of([&] { VilbertPictures::of(rows, config); });
  };
  const auto zeros = [](int64_t rows, int64_t size) { return Tensor::zeros({rows, size}); };
  CHECK(lacking(pictures({}), {"there are no pictures"}) == "");
  CHECK(lacking(pictures({picture(1), {zeros(1, 3), zeros(1, 5)}}), {"picture 1 has no regions"}) == "");
  CHECK(lacking(pictures({{zeros(2, 4), zeros(2, 5)}}), {"features of picture 0 are [2, 4], expected rows of 3"}) ==
        "");
  CHECK(lacking(pictures({{zeros(2, 3), zeros(2, 4)}}), {"places of picture 0 are [2, 4], expected [2, 5]"}) == "");
  CHECK(lacking(pictures({{zeros(3, 3), zeros(2, 5)}}), {"expected [3, 5]"}) == "");
  CHECK(lacking(error_of([&] { picture_rows(zeros(0, 3), zeros(0, 4), 5, 5); }), {"at least one region"}) == "");
  CHECK(lacking(error_of([&] { picture_rows(zeros(2, 3), zeros(1, 4), 5, 5); }), {"boxes are [1, 4]"}) == "");
  CHECK(lacking(error_of([&] { picture_rows(zeros(2, 3), zeros(2, 4), 0, 5); }), {"a picture of 0 x 5"}) == "");

  const Vilbert model(config);
  CHECK(lacking(error_of([&] {
                  model(VilbertTexts::of({{1}, {2}}, config), VilbertPictures::of({picture(1)}, config), {});
                }),
                {"2 texts for 1 pictures"}) == "");
  CHECK(lacking(error_of([] {
                  VilbertRetrieval::loss(Variable(Tensor::zeros({5, 1})), 2);
                }),
                {"5 pairs", "of 2"}) == "");
}

TEST_CASE("vilbert: a pair alone and among others of other lengths") {
  const auto model = drawn<VilbertRetrieval>();
  const VilbertConfig& config = model.bert.config;
  const auto scores = [&](const std::vector<std::vector<int64_t>>& texts, const std::vector<PictureRows>& pictures) {
    const auto out = model.bert(VilbertTexts::of(texts, config), VilbertPictures::of(pictures, config), {});
    return model.scores(out).value().to_vector<float>();
  };
  const float alone = scores({{3, 1, 4}}, {picture(2, 1)})[0];
  const auto together = scores({{5}, {3, 1, 4}, {2, 6, 5, 3, 5}}, {picture(3), picture(2, 1), picture(1, 4)});
  CHECK(together[1] == doctest::Approx(alone).epsilon(1e-4));
  CHECK(together[0] != doctest::Approx(alone));
}

TEST_CASE("vilbert: pre-training without a masked region or word") {
  auto model = drawn<VilbertPretraining>();
  const VilbertConfig& config = model.bert.config;
  const auto scores =
      model.scores(model.bert(VilbertTexts::of({{1, 2}}, config), VilbertPictures::of({picture(2)}, config), {}));
  VilbertTargets targets{Tensor::from(std::vector<int64_t>{-1, -1}), Tensor::from(std::vector<int64_t>{-1, -1, -1}),
                         Tensor::full({3, 4}, 0.25), Tensor::from(std::vector<int64_t>{1})};
  const VilbertLosses losses = vilbert_losses(scores, targets);
  CHECK(losses.words.value().item<float>() == 0);
  CHECK(losses.regions.value().item<float>() == 0);
  CHECK(losses.total.value().item<float>() == losses.match.value().item<float>());
  losses.total.backward();
  for (const float each : model.region_decoder.weight.grad().to_vector<float>()) CHECK(each == 0);
  targets.masked_regions = Tensor::from(std::vector<int64_t>{-1, 1});
  CHECK(lacking(error_of([&] { vilbert_losses(scores, targets); }), {"[3, 4], for 2 labels"}) == "");
}

TEST_CASE("vilbert: a linear map by direction and length is free of its direction's scale") {
  WeightNormLinear map(3, 2);
  map.weight_v = Variable(Tensor::from(std::vector<float>{1, 2, 2, 4, 0, 0}, {2, 3}), true);  // of length 5
  map.weight_g = Variable(Tensor::full({}, 10), true);
  const Variable x(Tensor::from(std::vector<float>{1, 1, 1}, {1, 3}));
  const Variable y = map(x);
  CHECK(y.value().to_vector<float>() == std::vector<float>{10, 8});
  sum(y).backward();
  CHECK(map.weight_g.grad().item<float>() == doctest::Approx(1.8));
  const auto direction = map.weight_v.grad().to_vector<float>();
  const float v[] = {1, 2, 2, 4, 0, 0};
  float along = 0;
  for (size_t i = 0; i < 6; ++i) along += v[i] * direction[i];
  CHECK(std::abs(along) < 1e-5);
}

}  // namespace tessera::vilbert_test
