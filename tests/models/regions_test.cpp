#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "models/regions/detector.h"
#include "models/regions/selection.h"
#include "nn/init.h"
#include "tests/error_text.h"

namespace tessera::regions_test {
namespace {

using tests::error_of;
using tests::lacking;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

Boxes boxes_from(const std::vector<std::vector<double>>& rows) {
  Boxes out(static_cast<Eigen::Index>(rows.size()), 4);
  for (size_t i = 0; i < rows.size(); ++i)
    for (size_t k = 0; k < 4; ++k) out(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(k)) = rows[i][k];
  return out;
}

RegionsConfig tiny(bool pyramid) {
  RegionsConfig config;
  config.pyramid = pyramid;
  config.cnn = {.bottleneck = true, .layers = {1, 1, 1, 1}, .widths = {1, 1, 2, 2}, .stem = 2};
  config.channels = 3;
  config.representation = 4;
  config.classes = 3;
  config.anchor_sizes = pyramid ? std::vector<std::vector<double>>{{4}, {8}, {12}, {16}, {24}}
                                : std::vector<std::vector<double>>{{8, 16}};
  config.bins = {2, 3};
  config.min_size = 40;
  config.max_size = 64;
  config.proposals = config.training_proposals = {.before_nms = 20, .after_nms = 6};
  config.anchors.count = 8;
  config.regions.count = 6;
  config.detections.score = 0;
  return config;
}

FasterRcnn drawn(const RegionsConfig& config) {
  FasterRcnn model(config);
  model.visit("", [](const std::string& name, Variable& parameter) {
    if (parameter.requires_grad()) init_normal_(parameter, name, 3, 0.3);
  });
  return model;
}

Tensor picture(int64_t height, int64_t width) {
  std::vector<float> values;
  for (int64_t i = 0; i < 3 * height * width; ++i) values.push_back(static_cast<float>(i * 37 % 101) / 101);
  return Tensor::from(values, {3, height, width});
}

}  // namespace

TEST_CASE("regions: pictures lose a pixel to rounding, are padded to multiples of 32, and come back") {
  RegionsConfig config;
  config.min_size = 800;
  config.max_size = 1333;
  // 800 / 161 · 161 is 799.99… in double.
  const PictureBatch batch = picture_batch({picture(161, 200)}, config, DType::f32);
  CHECK(batch.resized[0] == Size2d(799, 993));
  CHECK(batch.pixels.shape() == Shape{1, 3, 800, 1024});
  CHECK(batch.pixels.select(0, 0).select(0, 0).select(0, 799).to_vector<float>()[0] == 0);
  CHECK(rescaled(boxes_from({{0, 0, 993, 799}}), batch.resized[0], batch.originals[0])(0, 2) ==
        doctest::Approx(200).epsilon(1e-6));
  CHECK(lacking(error_of([&] { picture_batch({}, config, DType::f32); }), {"no pictures"}) == "");
  CHECK(lacking(error_of([&] {
                  picture_batch({Tensor::zeros({1, 4, 4})}, config, DType::f32);
                }),
                {"picture 0 is f32 [1, 4, 4]"}) == "");
  CHECK(lacking(error_of([&] { picture_batch({picture(1, 3000)}, config, DType::f32); }), {"no pixels left"}) == "");
}

TEST_CASE("regions: a picture without true boxes, one with several, and no proposals at all") {
  for (const bool pyramid : {true, false}) {
    CAPTURE(pyramid);
    FasterRcnn model = drawn(tiny(pyramid));
    const PictureBatch batch = picture_batch({picture(30, 41), picture(50, 33)}, model.config, DType::f32);
    const FasterRcnn::Result found = model.detect(batch);
    CHECK(found.proposals.size() == 2);
    for (size_t i = 0; i < 2; ++i) {
      CHECK(found.proposals[i].rows() <= 6);
      CHECK((found.proposals[i] >= 0).all());
      CHECK(found.proposals[i].col(2).maxCoeff() <= static_cast<double>(batch.resized[i].width));
      CHECK(found.detections[i].boxes.rows() == static_cast<Eigen::Index>(found.detections[i].labels.size()));
    }
    const TrueBoxes some{boxes_from({{2, 3, 20, 25}, {10, 8, 40, 29}}), {1, 2}}, none{Boxes(0, 4), {}};
    Random random(1);
    ParameterSet parameters(model);
    const FasterRcnn::Losses losses = model.losses(batch, {some, none}, random);
    losses.total().backward();
    CHECK(std::isfinite(losses.total().value().item<double>()));
    CHECK(parameters.global_norm() > 0);
    parameters.clear_gradients();
    const FasterRcnn::Losses background = model.losses(batch, {none, none}, random);
    CHECK(background.regions.boxes.value().item<double>() == 0);
    CHECK(background.proposals.boxes.value().item<double>() == 0);
    background.total().backward();
    CHECK(std::isfinite(parameters.global_norm()));

    model.rpn.rule.score = 2;  // above every probability
    const FasterRcnn::Result empty = model.detect(batch);
    CHECK(empty.proposals[0].rows() == 0);
    CHECK(empty.detections[1].boxes.rows() == 0);
    CHECK(!empty.regions.features.defined());
  }
}

TEST_CASE("regions: predictions that are not numbers are no proposals and no detections") {
  FasterRcnn model = drawn(tiny(true));
  const PictureBatch batch = picture_batch({picture(30, 41)}, model.config, DType::f32);
  const auto levels = model.backbone(Variable(batch.pixels));
  ObjectnessMaps maps = model.rpn(levels, {batch.pixels.size(2), batch.pixels.size(3)});
  const size_t all = static_cast<size_t>(maps.anchors.rows());
  std::vector<float> logits(all, std::numeric_limits<float>::quiet_NaN()), deltas(4 * all, 0);
  for (size_t i = 0; i < 40; ++i) logits[i] = static_cast<float>(i);
  deltas[4 * 39] = std::numeric_limits<float>::quiet_NaN();
  deltas[4 * 38 + 2] = std::numeric_limits<float>::infinity();
  maps.flat_logits = Variable(Tensor::from(logits, {static_cast<int64_t>(all), 1}));
  maps.flat_deltas = Variable(Tensor::from(deltas, {static_cast<int64_t>(all), 4}));
  const Boxes proposals = model.rpn.proposals(maps, batch.resized, false)[0];
  CHECK(proposals.rows() > 0);
  CHECK(proposals.rows() <= 6);
  CHECK(proposals.isFinite().all());

  RegionOutput output;
  std::vector<float> scores(9, std::numeric_limits<float>::quiet_NaN());
  scores[6] = 0, scores[7] = 3, scores[8] = 1;
  output.class_logits = Variable(Tensor::from(scores, {3, 3}));
  output.box_deltas = Variable(Tensor::zeros({3, 12}));
  const std::vector<Boxes> regions{boxes_from({{1, 1, 9, 9}, {3, 1, 11, 8}, {20, 20, 30, 31}})};
  const Detections found = model.heads.detections(output, regions, batch.resized)[0];
  CHECK(found.regions == std::vector<int64_t>{2, 2});
  CHECK(found.labels == std::vector<int64_t>{1, 2});
}

TEST_CASE("regions: what cannot be trained on") {
  const RegionsConfig config = tiny(true);
  const PictureBatch batch = picture_batch({picture(30, 41)}, config, DType::f32);
  const auto refusal = [&](const TrueBoxes& truth) {
    return error_of([&] { resized_truths(batch, {truth}, config.classes); });
  };
  CHECK(lacking(refusal({boxes_from({{2, 2, 2, 5}}), {1}}), {"true box 0 of picture 0 has no area"}) == "");
  CHECK(lacking(refusal({boxes_from({{2, 2, kNan, 5}}), {1}}), {"has no area"}) == "");
  CHECK(lacking(refusal({boxes_from({{2, 2, 4, 5}}), {3}}), {"has the label 3, expected 1 to 2"}) == "");
  CHECK(lacking(refusal({boxes_from({{2, 2, 4, 5}}), {0}}), {"has the label 0"}) == "");
  CHECK(lacking(refusal({boxes_from({{2, 2, 4, 5}}), {}}), {"1 true boxes and 0 labels"}) == "");
  CHECK(lacking(error_of([&] { resized_truths(batch, {}, 3); }), {"of 0 pictures, expected 1"}) == "");
  const TrueBoxes one{boxes_from({{0, 0, 8, 8}}), {2}};
  CHECK(lacking(error_of([&] { region_sample(one.boxes, {kBetween}, one, {0}); }), {"neither object nor"}) == "");
  // A true box that lies outside of the picture overlaps no anchor inside, and is still a candidate of its own.
  const TrueBoxes outside{boxes_from({{500, 500, 540, 540}}), {2}};
  const Boxes candidates = region_candidates(one.boxes, outside);
  CHECK(region_matches(candidates, outside, config.regions) == std::vector<int64_t>{kBackground, 0});

  RegionsConfig wrong = config;
  wrong.anchor_sizes.pop_back();
  CHECK(lacking(error_of([&] { FasterRcnn{wrong}; }), {"anchors of 4 levels, expected 5"}) == "");
  wrong = config;
  wrong.classes = 1;
  CHECK(lacking(error_of([&] { FasterRcnn{wrong}; }), {"1 classes"}) == "");
  wrong = config;
  wrong.cnn.layers = {1, 1};
  CHECK(lacking(error_of([&] { FasterRcnn{wrong}; }), {"four stages of bottlenecks"}) == "");
  const FasterRcnn model = drawn(config);
  const auto levels = model.backbone(Variable(batch.pixels));
  CHECK(lacking(error_of([&] { model.heads(levels, batch.pixels.size(2), {Boxes(0, 4)}); }),
                {"there are no regions"}) == "");
}

TEST_CASE("regions: a region's output does not depend on the others, nor on their order across levels") {
  const FasterRcnn model = drawn(tiny(true));
  const PictureBatch batch = picture_batch({picture(30, 41), picture(41, 30)}, model.config, DType::f32);
  const auto levels = model.backbone(Variable(batch.pixels));
  BoxHead heads = model.heads;
  heads.fit.canonical_size = 16;
  const Boxes large = boxes_from({{0, 0, 40, 39}}), small = boxes_from({{4, 5, 9, 9}});
  Boxes both(2, 4);
  both << large, small;
  const int64_t height = batch.pixels.size(2);
  const RegionOutput together = heads(levels, height, {both, large});
  CHECK(together.levels[0] > together.levels[1]);
  const RegionOutput alone = heads(levels, height, {small, Boxes(0, 4)});
  const auto a = together.features.value().select(0, 1).to_vector<float>();
  const auto b = alone.features.value().select(0, 0).to_vector<float>();
  for (size_t i = 0; i < a.size(); ++i) CHECK(a[i] == doctest::Approx(b[i]).epsilon(1e-5));
  // The same box in the other picture has other features.
  CHECK(together.pooled.value().select(0, 0).to_vector<float>() !=
        together.pooled.value().select(0, 2).to_vector<float>());
}

TEST_CASE("regions: a dilated last stage keeps the size of its bins and reads cells that lie two apart") {
  RegionsConfig config = tiny(false);
  config.cnn.layers = {1, 1, 1, 2};
  config.dilated = true;
  const BoxHead head = drawn(config).heads;
  CHECK(head.stage[0].convolutions[1].settings.stride == Size2d(1));
  CHECK(head.stage[0].convolutions[1].settings.dilation == Size2d(1));
  CHECK(head.stage[1].convolutions[1].settings.dilation == Size2d(2));
  ResidualBlock block(4, 1, 4, 1, true, 2);
  for (Conv2d& convolution : block.convolutions)
    convolution.weight = Variable(Tensor::full(convolution.weight.shape(), 1));
  std::vector<float> values(4 * 49, 0);
  values[24] = 1;  // the middle of the first plane
  const Tensor x = Tensor::from(values, {1, 4, 7, 7});
  const std::vector<float> y = block(Variable(x), false).value().to_vector<float>();
  CHECK(y.size() == values.size());
  for (size_t i = 0; i < 49; ++i) {
    const size_t row = i / 7, column = i % 7;
    const bool reached = row % 2 == 1 && column % 2 == 1;
    CHECK((y[i] > 0) == reached);
  }
  CHECK(lacking(error_of([] { ResidualBlock(4, 4, 4, 1, false, 2); }), {"without bottleneck"}) == "");
}

TEST_CASE("region selection: none, one, boxes outside, probabilities that are not numbers") {
  const SelectionRule rule{.confidence = 0.2, .least = 2, .most = 3};
  Probabilities none(0, 3);
  CHECK(select_regions(Boxes(0, 4), none, rule).rows.empty());
  Probabilities one(1, 3);
  one << 0.9, 0.04, 0.06;
  const SelectedRegions single = select_regions(boxes_from({{-50, -50, -20, 900}}), one, rule);
  CHECK(single.rows == std::vector<int64_t>{0});
  CHECK(single.objects == std::vector<int64_t>{1});
  CHECK(single.confidences[0] == 0.06);
  CHECK(kept_by_confidence(single, rule) == 2);

  // Four equal boxes: the surest of each class survives, the rest have 0. Filled up to two, the surest first.
  const Boxes same = boxes_from({{0, 0, 5, 5}, {0, 0, 5, 5}, {0, 0, 5, 5}, {0, 0, 5, 5}});
  Probabilities prob(4, 3);
  prob << 1, 0, 0, 0.5, 0.3, 0.2, kNan, kNan, kNan, 0.9, 0.05, 0.1;
  const SelectedRegions filled = select_regions(same, prob, rule);
  CHECK(filled.confidences == std::vector<double>{0, 0.3, 0, 0});
  CHECK(filled.rows == std::vector<int64_t>{1, 3});  // of equal ones the last
  CHECK(filled.objects == std::vector<int64_t>{0, 1});
  CHECK(lacking(error_of([&] { select_regions(same, one, rule); }), {"probabilities are [1, 3], expected [4"}) == "");
  CHECK(lacking(error_of([&] { select_regions(same, prob, {.least = 3, .most = 2}); }), {"from 3 to 2 regions"}) == "");
  const Places five = places_of_five(Boxes(0, 4), 10, 20);
  CHECK(five.rows() == 1);
  CHECK(five(0, 4) == 1);
  const Places seven = places_of_seven(boxes_from({{2, 1, 12, 6}}), 10, 20);
  CHECK(seven(0, 4) == 0.5);
  CHECK(seven(0, 6) == 0.25);
  CHECK(lacking(error_of([] { places_of_five(Boxes(0, 4), 0, 3); }), {"a picture of 0 x 3"}) == "");
}

}  // namespace tessera::regions_test
