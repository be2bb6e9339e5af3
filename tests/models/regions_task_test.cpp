// The detector as a task: it learns, is saved and continued bit for bit, evaluated, and used.
#include "models/regions/task.h"

#include <doctest/doctest.h>

#include <sstream>

#include "models/regions/folder.h"
#include "models/regions/load.h"
#include "tests/error_text.h"
#include "tests/models/tiny_detector.h"
#include "tests/temporary_directory.h"
#include "train/run.h"

namespace tessera::regions_task_test {
namespace {

namespace fs = std::filesystem;
using tests::DetectorData;
using tests::error_of;
using tests::lacking;
using tests::TemporaryDirectory;
using tests::tiny_detector;

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

}  // namespace

TEST_CASE("regions task: labels and true boxes are those of the annotations") {
  const DetectorData data;
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
  const DetectorData data;
  RegionsTask task(tests::detector_options(), data.train_source, &data.test_source);
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
  const DetectorData data;
  RegionsTaskOptions options = tests::detector_options(8);
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
  const DetectorData data;
  const TemporaryDirectory folder;
  std::ostringstream log;
  const auto trained = [&](const fs::path& out, int64_t steps) {
    fs::create_directories(out);
    RegionsTask task(tests::detector_options(4), data.train_source, &data.test_source);
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

  RegionsTaskOptions other = tests::detector_options(4);
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

TEST_CASE("regions task: a picture that cannot be decoded is named, and another is drawn for it") {
  // Of the tiny scenes' training pictures one is cut short.
  const TemporaryDirectory folder;
  fs::copy(tests::tiny_scenes().folder(), folder.path() / "scenes", fs::copy_options::recursive);
  DatasetOptions read;
  read.splits = {"train"};
  read.annotations = folder.path() / "scenes/annotations.jsonl";
  const Dataset dataset = Dataset::open(folder.path() / "scenes/dataset.json", folder.path() / "scenes/images", read);
  fs::resize_file(dataset.images()[0].path(), 20);
  const SampleSource source(dataset, tests::tiny_scenes().vocabulary(), tests::TinyScenes::sample_options());
  std::vector<std::string> reasons;
  Quarantine quarantine(1, [&](const std::string& reason) { reasons.push_back(reason); });
  const RegionsTask strict(tests::detector_options(40), source),
      task(tests::detector_options(40), source, nullptr, &quarantine);
  const std::vector<int64_t> images = task.step(0)[0].images;
  CHECK(images.size() == 40);
  CHECK(std::count(images.begin(), images.end(), 0) == 0);
  REQUIRE(reasons.size() == 1);
  CHECK(lacking(reasons[0], {dataset.picture_name(0).c_str()}) == "");
  CHECK(lacking(error_of([&] { strict.step(0); }), {"images cannot be used", dataset.picture_name(0).c_str()}) == "");
  UsablePictures usable(source, 1, {});
  CHECK(evaluate_regions(task.model(), task.labels(), {}, source, {.limit = 5, .usable = &usable}).pictures == 4);
}

}  // namespace tessera::regions_task_test
