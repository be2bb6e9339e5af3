// A detector in use: its regions as other models read them, and torchvision's files.
#include <doctest/doctest.h>

#include <limits>

#include "data/regions/region_file.h"
#include "io/files.h"
#include "models/regions/extraction.h"
#include "models/regions/initialise.h"
#include "models/regions/load.h"
#include "tests/error_text.h"
#include "tests/models/tiny_detector.h"
#include "tests/temporary_directory.h"

namespace tessera::regions_use_test {
namespace {

using tests::DetectorData;
using tests::error_of;
using tests::lacking;
using tests::TemporaryDirectory;
using tests::tiny_detector;

Image picture_of(int height, int width) {
  Image image = make_image(height, width);
  for (size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<uint8_t>(i * 37 % 251);
  return image;
}

}  // namespace

TEST_CASE("regions in use: regions of pictures of several sizes, and of none that is proposed") {
  const DetectorData data;
  RegionsTask task(tests::detector_options(), data.train_source);
  const std::vector<Image> pictures{picture_of(64, 96), picture_of(80, 80), picture_of(64, 96)};
  const SelectionRule rule = selection_rule(tiny_detector());
  const std::vector<Regions> found = extract_regions(task.model(), pictures, rule);
  REQUIRE(found.size() == 3);
  for (size_t i = 0; i < 3; ++i) {
    CAPTURE(i);
    CHECK(found[i].height == pictures[i].height);
    CHECK(found[i].count() >= rule.least);
    CHECK(found[i].count() <= rule.most);
    Regions copy = found[i];
    check_regions(copy, 16, 41, "test");
  }
  // A picture's regions do not depend on the others.
  const Regions alone = extract_regions(task.model(), {pictures[1]}, rule)[0];
  CHECK(alone.boxes.to_vector<float>() == found[1].boxes.to_vector<float>());
  CHECK(alone.objects == found[1].objects);
  const Regions none = extract_regions(task.model(), {pictures[0]}, {.confidence = 1.5, .least = 0, .most = 4})[0];
  CHECK(none.count() == 0);
  CHECK(none.features.shape() == Shape{0, 16});
  FasterRcnn silent = task.model();
  silent.rpn.rule.score = 2;  // above every probability
  CHECK(extract_regions(silent, {pictures[0]}, rule)[0].count() == 0);
  CHECK(detect_objects(silent, {pictures[0]})[0].scores.empty());
}

TEST_CASE("regions in use: scores that are not numbers are not written as regions") {
  const DetectorData data;
  RegionsTask task(tests::detector_options(), data.train_source);
  FasterRcnn model = task.model();
  model.heads.scores.bias.mutable_value().fill_(std::numeric_limits<double>::quiet_NaN());
  const std::vector<Image> pictures{picture_of(64, 96)};
  CHECK(detect_objects(model, pictures)[0].scores.empty());
  const TemporaryDirectory folder;
  RegionWriter writer(folder.path() / "r.safetensors",
                      {.features = 16, .classes = task.labels().pairs(), .detector = "test"});
  const ExtractionPictures one{{"a.jpg"}, [&](int64_t) { return pictures[0]; }};
  CHECK(lacking(error_of([&] { extract_regions(model, one, selection_rule(model.config), writer, 1, {}); }),
                {"r.safetensors: picture 'a.jpg'", "nan"}) == "");
}

TEST_CASE("regions in use: equal scores choose regions all the same, and pairs share out a class") {
  const DetectorData data;
  RegionsTask task(tests::detector_options(), data.train_source);
  FasterRcnn model = task.model();
  for (Linear* layer : {&model.heads.scores, &model.heads.attributes->scores}) {
    layer->weight.mutable_value().fill_(0);
    layer->bias.mutable_value().fill_(0);
  }
  const Regions regions = extract_regions(model, {picture_of(64, 96)}, selection_rule(model.config))[0];
  CHECK(regions.count() >= 1);
  const std::vector<float> row = regions.distributions.to_vector<float>();
  CHECK(row[0] == doctest::Approx(1.0 / 6));
  for (size_t i = 1; i < 41; ++i) CHECK(row[i] == doctest::Approx(1.0 / 48));
}

TEST_CASE("regions in use: torchvision's names, its first ones too, and what is no detector") {
  RegionsConfig config = tiny_detector();
  config.aspect_ratios = {0.5, 1, 2};
  config.anchor_sizes = {{32}, {64}, {128}, {256}, {512}};
  config.bins = 7;
  config.classes = 91;
  FasterRcnn model(config);
  initialise_detector(model, 1);
  const ParameterSet parameters(model);
  NamedTensors file = parameters.state();
  const TemporaryDirectory folder;
  const auto loaded = [&](const NamedTensors& tensors) {
    save_safetensors((folder.path() / "d.safetensors").string(), tensors);
    return load_detector(folder.path() / "d.safetensors");
  };
  const LoadedDetector plain = loaded(file);
  CHECK(plain.model->config.norm_eps == 1e-5);
  CHECK(plain.labels.classes[1] == "person");
  CHECK(plain.labels.classes[90] == "toothbrush");
  CHECK(plain.model->config.representation == 16);

  NamedTensors first = file;
  const auto renamed = [&](const std::string& from, const std::string& to) {
    auto node = first.extract(from);
    node.key() = to;
    first.insert(std::move(node));
  };
  for (const char* part : {"weight", "bias"}) {
    renamed(text("rpn.head.conv.0.0.", part), text("rpn.head.conv.", part));
    for (int i = 0; i < 4; ++i)
      for (const char* kind : {"inner", "layer"})
        renamed(text("backbone.fpn.", kind, "_blocks.", i, ".0.", part),
                text("backbone.fpn.", kind, "_blocks.", i, '.', part));
  }
  first["backbone.body.bn1.num_batches_tracked"] = Tensor::scalar(7, DType::i64);
  const LoadedDetector old = loaded(first);
  CHECK(old.model->config.norm_eps == 0);
  for (const auto& [name, tensor] : old.parameters->state())
    CHECK(tensor.to_vector<float>() == file.at(name).to_vector<float>());

  first = file;
  first.erase("rpn.head.bbox_pred.bias");
  CHECK(lacking(error_of([&] { loaded(first); }), {"d.safetensors", "rpn.head.bbox_pred.bias"}) == "");
  first = file;
  first["roi_heads.mask_head.weight"] = Tensor::zeros({1});
  CHECK(lacking(error_of([&] { loaded(first); }), {"roi_heads.mask_head.weight"}) == "");
  first = file;
  first["rpn.head.conv.weight"] = Tensor::zeros({1});
  CHECK(lacking(error_of([&] { loaded(first); }), {"two tensors stand for 'rpn.head.conv.0.0.weight'"}) == "");
  first = file;
  first["rpn.head.cls_logits.weight"] = Tensor::zeros({5, 8, 1, 1});
  CHECK(lacking(error_of([&] { loaded(first); }), {"5 anchors at a place"}) == "");
  CHECK(lacking(error_of([&] { loaded({{"vilt.weight", Tensor::zeros({1})}}); }), {"not a Faster R-CNN"}) == "");
}

TEST_CASE("regions in use: a configuration that asks for more than its weights have takes no memory") {
  const DetectorData data;
  RegionsTask task(tests::detector_options(), data.train_source);
  const TemporaryDirectory folder;
  task.save(folder.path());
  const std::filesystem::path file = folder.path() / "regions.json";
  const std::vector<uint8_t> bytes = read_file(file);
  std::string json(bytes.begin(), bytes.end());
  const std::string from = "\"representation\": 16";
  REQUIRE(json.find(from) != std::string::npos);
  json.replace(json.find(from), from.size(), "\"representation\": 65536");
  write_file_atomically(file, json);
  CHECK(lacking(error_of([&] { load_detector(folder.path()); }), {"model.safetensors", "fewer than"}) == "");
}

TEST_CASE("regions in use: a picture that cannot be read is left out where that may be, and else an error") {
  const DetectorData data;
  RegionsTask task(tests::detector_options(), data.train_source);
  const ExtractionPictures pictures{{"a.jpg", "bad.jpg", "c.jpg"}, [&](int64_t i) {
                                      check(i != 1, "bad.jpg: no picture");
                                      return picture_of(64, 96);
                                    }};
  const TemporaryDirectory folder;
  const auto extracted = [&](const std::function<void(const std::string&)>& left_out) {
    RegionWriter writer(folder.path() / "r.safetensors",
                        {.features = 16, .classes = task.labels().pairs(), .detector = "test"});
    const int64_t count =
        extract_regions(task.model(), pictures, selection_rule(tiny_detector()), writer, 2, {}, left_out);
    writer.finish();
    return count;
  };
  std::string named;
  CHECK(extracted([&](const std::string& line) { named += line; }) == 2);
  CHECK(named == "bad.jpg: no picture");
  const RegionFile file(folder.path() / "r.safetensors");
  REQUIRE(file.pictures() == 2);
  CHECK(file.name(1) == "c.jpg");
  CHECK(error_of([&] { extracted({}); }) == "bad.jpg: no picture");
}

}  // namespace tessera::regions_use_test
