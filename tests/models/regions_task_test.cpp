// The detector as a task: it learns, is saved and continued bit for bit, evaluated, and used.
#include "models/regions/task.h"

#include <doctest/doctest.h>

#include <limits>
#include <sstream>

#include "data/regions/region_file.h"
#include "io/files.h"
#include "models/regions/extraction.h"
#include "models/regions/initialise.h"
#include "models/regions/load.h"
#include "tests/error_text.h"
#include "tests/temporary_directory.h"
#include "tests/tiny_scenes.h"
#include "train/run.h"

namespace tessera::regions_task_test {
namespace {

namespace fs = std::filesystem;
using tests::error_of;
using tests::lacking;
using tests::TemporaryDirectory;

// As small as one that still tells shapes apart.
RegionsConfig tiny_detector() {
  RegionsConfig config = scenes_detector();
  config.cnn.widths = {4, 4, 8, 8};
  config.cnn.stem = 8;
  config.channels = 8;
  config.representation = 16;
  config.bins = 3;
  config.training_proposals = {.before_nms = 50, .after_nms = 16};
  config.regions.count = 16;
  return config;
}

struct Data {
  Dataset train = tests::tiny_scenes().open("train"), test = tests::tiny_scenes().open("test");
  SampleSource train_source{train, tests::tiny_scenes().vocabulary(), tests::TinyScenes::sample_options()};
  SampleSource test_source{test, tests::tiny_scenes().vocabulary(), tests::TinyScenes::sample_options()};
};

RegionsTaskOptions options_of(int64_t batch = 8, int64_t accumulate = 1) {
  RegionsTaskOptions options;
  options.model = tiny_detector();
  options.batch_size = batch;
  options.accumulate = accumulate;
  return options;
}

LearnerOptions learner_options(int64_t steps) {
  LearnerOptions options;
  options.schedule = {.peak = 5e-3, .warmup = 2, .total = steps};
  options.optimizer.beta2 = 0.99;
  options.clip = 10;
  return options;
}

std::map<std::string, std::vector<float>> values_of(RegionsTask& task) {
  std::map<std::string, std::vector<float>> out;
  for (const auto& [name, tensor] : task.parameters().state()) out[name] = tensor.to_vector<float>();
  return out;
}

RunOptions run_options(const fs::path& out, int64_t steps, std::ostream& log) {
  RunOptions options;
  options.out = out;
  options.steps = steps;
  options.checkpoint_every = 2;
  options.tensorboard = false;
  options.log = &log;
  return options;
}

Image picture_of(int height, int width) {
  Image image = make_image(height, width);
  for (size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<uint8_t>(i * 37 % 251);
  return image;
}

}  // namespace

TEST_CASE("regions task: labels and true boxes are those of the annotations") {
  const Data data;
  const RegionLabels labels = labels_of(data.train, {});
  CHECK(labels.classes == RegionClasses{"background", "cross", "rectangle", "ring", "square", "triangle"});
  REQUIRE(labels.attributes.size() == 8);
  CHECK(labels.attributes[0] == "blue");
  CHECK(labels.pairs().size() == 41);
  CHECK(labels.pairs()[static_cast<size_t>(labels.pair(3, 0))] == "blue ring");
  CHECK(labels.pair(0, 5) == 0);
  const Annotation& annotation = *data.train.annotation(0);
  const TrueBoxes truth = true_boxes(data.train, 0, labels, {});
  REQUIRE(truth.labels.size() == annotation.objects->size());
  const AnnotatedObject& object = annotation.objects->front();
  CHECK(labels.classes[static_cast<size_t>(truth.labels[0])] == object.attributes.at("shape"));
  CHECK(labels.attributes[static_cast<size_t>(truth.attributes[0])] == object.attributes.at("colour"));
  CHECK(truth.boxes(0, 2) == object.box[0] + object.box[2]);
  const RegionLabels without = labels_of(data.train, {.object = "colour", .attribute = ""});
  CHECK(without.attributes.empty());
  CHECK(without.pairs() == without.classes);
  CHECK(without.pair(3, 0) == 3);
  CHECK(lacking(error_of([&] { labels_of(data.train, {.object = "size"}); }), {"without the attribute 'size'"}) == "");
  CHECK(lacking(error_of([&] {
                  true_boxes(data.train, 0, {{"background", "dog"}, {}}, {});
                }),
                {"sentence 0", "does not know"}) == "");
  const Dataset bare = tests::tiny_scenes().open("train", false);
  CHECK(lacking(error_of([&] { labels_of(bare, {}); }), {"no picture's objects are annotated"}) == "");
  CHECK(true_boxes(bare, 0, labels, {}).boxes.rows() == 0);
}

TEST_CASE("regions task: a short training lowers the loss and finds objects that it did not find before") {
  const Data data;
  RegionsTask task(options_of(), data.train_source, &data.test_source);
  Learner<RegionsTask> learner(task, learner_options(60));
  // On the pictures that it learns: 40 teach no shape that holds for others.
  const auto average = [&] { return *evaluate_regions(task.model(), task.labels(), {}, data.train_source).pairs; };
  const double before = average();
  std::vector<double> losses;
  for (int64_t step = 0; step < 60; ++step) losses.push_back(learner.update(task.step(step)).loss);
  const auto mean = [&](size_t first) { return (losses[first] + losses[first + 1] + losses[first + 2]) / 3; };
  const double after = average();
  MESSAGE("loss " << mean(0) << " to " << mean(57) << ", AP50 " << before << " to " << after);
  // An untrained detector finds boxes at random: of 40 classes its average is near 0. Ten times less loss is not asked
  // for: a fifth of it less says that it learns.
  CHECK(before < 0.05);
  CHECK(after > before + 0.05);
  CHECK(mean(57) < 0.8 * mean(0));
  CHECK(lacking(task.evaluate().json, {"\"pictures\":40", "ap50_by_class", "ring", "ap50_by_attribute", "blue"}) == "");
}

TEST_CASE("regions task: a step is a function of its number, and micro-batches do not show without batch statistics") {
  const Data data;
  RegionsTaskOptions options = options_of(8);
  options.batch_statistics = false;
  RegionsTask whole(options, data.train_source), other(options, data.train_source);
  CHECK(whole.step(3)[0].images == other.step(3)[0].images);
  CHECK(whole.step(3)[0].images != whole.step(4)[0].images);
  CHECK(lacking(whole.samples(whole.step(3)), {"pictures "}) == "");
  options.accumulate = 2;
  RegionsTask parts(options, data.train_source);
  const std::vector<RegionsTask::Batch> step = parts.step(3);
  REQUIRE(step.size() == 2);
  std::vector<int64_t> joined = step[0].images;
  joined.insert(joined.end(), step[1].images.begin(), step[1].images.end());
  CHECK(joined == whole.step(3)[0].images);
  // What is weighted by its share sums to the whole: two micro-batches of equal losses are one.
  TicketSource tickets(0, 0);
  const std::vector<int64_t> all{16}, half{8};
  const double shared = whole.losses(whole.step(3)[0], all, tickets).total.value().item<double>();
  const double alone = whole.losses(whole.step(3)[0], half, tickets).total.value().item<double>();
  CHECK(2 * shared == doctest::Approx(alone).epsilon(1e-6));  // f32, one rounding more
  options.batch_size = 9;
  CHECK(lacking(error_of([&] { RegionsTask bad(options, data.train_source); }), {"9 pictures in 2 parts"}) == "");
}

TEST_CASE("regions task: a run that was stopped and continued is the run that was not, bit for bit") {
  const Data data;
  const TemporaryDirectory folder;
  std::ostringstream log;
  const auto trained = [&](const fs::path& out, int64_t steps) {
    fs::create_directories(out);
    RegionsTask task(options_of(4), data.train_source, &data.test_source);
    Learner<RegionsTask> learner(task, learner_options(4));
    Run<RegionsTask> run(task, learner, run_options(out, steps, log));
    run.resume();
    run.train();
    return values_of(task);
  };
  const auto straight = trained(folder.path() / "straight", 4);
  trained(folder.path() / "stopped", 2);
  CHECK(trained(folder.path() / "stopped", 4) == straight);

  // What was written is loaded for use, with its running statistics.
  const LoadedDetector loaded = load_detector(folder.path() / "straight");
  CHECK(loaded.labels.pairs().size() == 41);
  for (const auto& [name, tensor] : loaded.parameters->state()) CHECK(tensor.to_vector<float>() == straight.at(name));
  CHECK(loaded.parameters->state().contains("backbone.body.bn1.running_mean"));

  RegionsTaskOptions other = options_of(4);
  other.model.representation = 8;
  RegionsTask different(other, data.train_source);
  CHECK(lacking(error_of([&] { different.open(*newest_checkpoint(folder.path() / "straight")); }),
                {"regions.json", "other settings"}) == "");
}

TEST_CASE("regions task: the configuration is read as it was written, and strictly") {
  const RegionLabels labels{{"background", "ring"}, {"red"}};
  RegionsConfig config = tiny_detector();
  config.classes = 2;
  config.attributes = 1;
  config.norm_eps = 0.125;
  const std::string json = detector_json(config, labels);
  const DetectorFile read = parse_detector_json(json, "test");
  CHECK(read.labels == labels);
  CHECK(detector_json(read.config, read.labels) == json);
  const auto without = [&](const std::string& from, const std::string& to) {
    std::string changed = json;
    const size_t at = changed.find(from);
    REQUIRE(at != std::string::npos);
    return error_of([&] { parse_detector_json(changed.replace(at, from.size(), to), "test"); });
  };
  CHECK(lacking(without("\"channels\": 8", "\"channels\": 8.5"), {"test: field 'channels'"}) == "");
  CHECK(lacking(without("\"channels\": 8", "\"channels\": 0"), {"channels is 0", "1 to"}) == "");
  CHECK(lacking(without("\"channels\": 8", "\"chanels\": 8"), {"no field 'channels'"}) == "");
  CHECK(lacking(without("\"pyramid\": true", "\"pyramid\": 1"), {"field 'pyramid'"}) == "");
  CHECK(lacking(without("faster-rcnn", "vilt"), {"model_type"}) == "");
  CHECK(lacking(without("\"background\",", ""), {"'classes'", "2 or more"}) == "");
  CHECK(lacking(without("\"norm_eps\": 0.125", "\"norm_eps\": -1"), {"norm_eps is -1"}) == "");
}

TEST_CASE("regions task: regions of pictures of several sizes, and of none that is proposed") {
  const Data data;
  RegionsTask task(options_of(), data.train_source);
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

TEST_CASE("regions task: scores that are not numbers are not written as regions") {
  const Data data;
  RegionsTask task(options_of(), data.train_source);
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

TEST_CASE("regions task: equal scores choose regions all the same, and pairs share out a class") {
  const Data data;
  RegionsTask task(options_of(), data.train_source);
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

TEST_CASE("regions task: torchvision's names, its first ones too, and what is no detector") {
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

}  // namespace tessera::regions_task_test
