// Pictures of a held-out split that cannot be decoded: they are named, counted and left out of the figures.
#include <algorithm>
#include <fstream>
#include <set>

#include "data/usable_pictures.h"
#include "io/printable.h"
#include "tensor/parallel.h"
#include "tests/vilt/tasks/small_tasks.h"
#include "vilt/report/downstream_report.h"
#include "vilt/report/report.h"
#include "vilt/tasks/downstream_evaluation.h"

namespace tessera::damaged_pictures_test {
namespace {

using namespace small_tasks;

void damage(const fs::path& picture) { std::ofstream(picture, std::ios::binary) << "no picture"; }

// A copy of the tiny scenes with settings of a task on it.
struct Copy {
  explicit Copy(const std::string& task) {
    task_files();
    fs::copy(tests::tiny_scenes().folder(), folder(), fs::copy_options::recursive);
    settings =
        task == "pretraining" ? settings_in(directory.path() / "run") : settings_of(task, directory.path() / "run");
    for (std::string* path : {&settings.data.captions, &settings.data.validation_captions, &settings.data.test_captions,
                              &settings.data.images, &settings.data.annotations, &settings.data.vocabulary})
      if (path->starts_with(tests::tiny_scenes().folder().string()))
        path->replace(0, tests::tiny_scenes().folder().string().size(), folder().string());
  }
  fs::path folder() const { return directory.path() / "scenes"; }

  tests::TemporaryDirectory directory;
  Settings settings;
};

// A part of a task, with a drawn model of it.
struct Part {
  explicit Part(const Settings& given)
      : settings(given),
        task(*downstream_task(settings.train.task)),
        part(read_part(task, settings, DataPart::validation, log)) {
    if (task.images == 2) labels = {"False", "True"};
    if (task.classifies && task.images == 1) {
      AnswerCounts counts;
      counts.add(part.questions);
      table = counts.table(1);
      labels = table.answers();
    }
    settings.model.vocab_size = static_cast<int64_t>(tests::tiny_scenes().vocabulary().size());
    settings.model = downstream_config(task, settings.model, labels);
    source = std::make_unique<DownstreamSource>(part.set(table, Unanswerable::keep), tests::tiny_scenes().vocabulary(),
                                                sample_options(settings));
    model = std::make_unique<ViltWithHeads>(drawn_model(settings));
  }
  NamedFigures figures(UsablePictures* usable, std::vector<int64_t>* answered = nullptr) const {
    DownstreamEvaluationOptions options;
    options.controls = true;
    options.usable = usable;
    if (answered) options.answered = [answered](int64_t sample, int64_t) { answered->push_back(sample); };
    return evaluate_downstream(task, *model, *source, part, table, options);
  }

  Settings settings;
  std::ostringstream log;
  const DownstreamTask& task;
  DownstreamPart part;
  AnswerTable table;
  std::vector<std::string> labels;
  std::unique_ptr<DownstreamSource> source;
  std::unique_ptr<ViltWithHeads> model;
};

double figure(const NamedFigures& figures, const std::string& name) {
  const auto found = std::ranges::find_if(figures, [&](const auto& one) { return one.first == name; });
  return found == figures.end() ? -1 : found->second;
}

}  // namespace

TEST_CASE("Pictures that cannot be decoded are named once, in order, at any number of threads") {
  const Copy copy("pretraining");
  const Dataset dataset = Dataset::open(copy.settings.data.captions, copy.settings.data.images, {{"train"}, {}, true});
  for (const size_t image : {5, 11, 30}) damage(dataset.images()[image].path());
  const SampleSource source(dataset, tests::tiny_scenes().vocabulary(), tests::TinyScenes::sample_options());
  std::vector<int64_t> all;
  for (int64_t image = source.images() - 1; image >= 0; --image) all.push_back(image);
  const int before = thread_count();
  for (const int threads : {1, 4}) {
    set_thread_count(threads);
    std::vector<std::string> told;
    UsablePictures usable(source, 3, [&](const std::string& reason) { told.push_back(reason); });
    usable.look_at(all);
    usable.look_at(all);
    REQUIRE(told.size() == 3);
    for (const auto& [place, image] : {std::pair(0, 30), std::pair(1, 11), std::pair(2, 5)})
      CHECK(told[static_cast<size_t>(place)].find(shown(dataset.images()[static_cast<size_t>(image)].path())) !=
            std::string::npos);
    CHECK(usable.left_out() == 3);
    CHECK_FALSE(usable.usable(11));
    CHECK(usable.usable(12));
    UsablePictures strict(source, 2, {});
    CHECK(lacking(tests::error_of([&] { strict.look_at(all); }),
                  {"data: 3 images cannot be used, more than data.max_bad_files (2); the last: "}) == "");
  }
  set_thread_count(before);
}

TEST_CASE("The figures of a task are those of the samples whose pictures can be decoded") {
  for (const char* name : kTasks) {
    CAPTURE(name);
    const Copy copy(name);
    const Part whole(copy.settings);
    const DownstreamSet& set = whole.source->set;
    const std::set<int64_t> bad{0, 3};
    std::set<int64_t> lost;  // samples
    for (size_t s = 0; s < set.samples.size(); ++s)
      for (int64_t k = 0; k < whole.task.images; ++k)
        if (bad.contains(set.samples[s].images[static_cast<size_t>(k)])) lost.insert(static_cast<int64_t>(s));
    for (const int64_t image : bad) damage(set.pictures[static_cast<size_t>(image)]);

    const Part damaged(copy.settings);
    CHECK(lacking(tests::error_of([&] { damaged.figures(nullptr); }), {shown(set.pictures[0]).c_str()}) == "");
    std::vector<std::string> told;
    UsablePictures usable(damaged.source->pictures, 2, [&](const std::string& reason) { told.push_back(reason); });
    std::vector<int64_t> answered;
    const NamedFigures figures = damaged.figures(&usable, &answered);
    CHECK(told.size() == 2);
    CHECK(figure(figures, kPicturesLeftOut) == 2);
    CHECK(is_count(kPicturesLeftOut));
    const auto samples = static_cast<double>(set.samples.size() - lost.size());
    if (whole.task.classifies) {
      CHECK(static_cast<double>(answered.size()) == samples);
      for (const int64_t sample : answered) CHECK_FALSE(lost.contains(sample));
      CHECK(figures[0].second == samples);
    } else {
      CHECK(figure(figures, "texts") == samples);
      CHECK(figure(figures, "images") == static_cast<double>(set.pictures.size() - 2));
    }
    // The same as of a split that never had them.
    Part without(copy.settings);
    DownstreamSet rest = without.part.set(without.table, Unanswerable::keep);
    if (whole.task.classifies) {
      DownstreamPart kept;
      for (size_t s = 0; s < set.samples.size(); ++s) {
        if (lost.contains(static_cast<int64_t>(s))) continue;
        if (whole.task.images == 2)
          kept.statements.push_back(without.part.statements[s]);
        else
          kept.questions.push_back(without.part.questions[s]);
      }
      without.part.questions = std::move(kept.questions);
      without.part.statements = std::move(kept.statements);
      without.source =
          std::make_unique<DownstreamSource>(without.part.set(without.table, Unanswerable::keep),
                                             tests::tiny_scenes().vocabulary(), sample_options(without.settings));
      NamedFigures expected = without.figures(nullptr);
      expected.insert(expected.begin() + 1, {kPicturesLeftOut, 2.0});
      CHECK(figures == expected);
    }
    UsablePictures strict(damaged.source->pictures, 1, {});
    CHECK(lacking(tests::error_of([&] { damaged.figures(&strict); }), {"more than data.max_bad_files (1)"}) == "");

    for (const std::string& picture : set.pictures) damage(picture);
    const Part nothing(copy.settings);
    UsablePictures none(nothing.source->pictures, 1000, {});
    CHECK(lacking(tests::error_of([&] { nothing.figures(&none); }), {"evaluation: none of the "}) == "");
  }
}

TEST_CASE("Pre-training's figures pass over pictures that cannot be decoded, as own, false, wrong and sibling ones") {
  const Copy copy("pretraining");
  const auto open = [&] {
    DatasetOptions options;
    options.splits = {"test"};
    options.annotations = copy.settings.data.annotations;
    return Dataset::open(copy.settings.data.captions, copy.settings.data.images, options);
  };
  const Dataset dataset = open();
  const auto images = static_cast<int64_t>(dataset.images().size());
  const std::set<int64_t> bad{1, 8, 9, 38};
  for (const int64_t image : bad) damage(dataset.images()[static_cast<size_t>(image)].path());
  Settings settings = copy.settings;
  settings.model.vocab_size = static_cast<int64_t>(tests::tiny_scenes().vocabulary().size());
  const ViltWithHeads model = drawn_model(settings);
  const SampleSource source(dataset, tests::tiny_scenes().vocabulary(), sample_options(settings));
  int64_t lost = 0;
  for (int64_t s = 0; s < source.captions(); ++s) lost += bad.contains(source.image_of(s));
  std::vector<std::string> told;
  UsablePictures usable(source, 4, [&](const std::string& reason) { told.push_back(reason); });
  EvaluationOptions options;
  options.usable = &usable;
  const Evaluation evaluation = evaluate(model, source, options);
  CHECK(evaluation.samples == source.captions() - lost);
  CHECK(evaluation.pictures_left_out == 4);
  CHECK(told.size() == 4);
  CHECK(evaluation.itm_accuracy_random.has_value());
  CHECK(evaluation.itm_accuracy_hard.has_value());
  CHECK(evaluation.mlm_accuracy_wrong_image.has_value() == (images > 37));
  const Evaluation shuffled = evaluate_shuffled(model, source, options);
  CHECK(shuffled.samples == evaluation.samples);
  std::vector<int64_t> sentences;
  for (int64_t s = 0; s < source.captions(); ++s)
    if (!bad.contains(source.image_of(s))) sentences.push_back(s);
  const std::vector<int64_t> drawn = false_images(source, sentences, &usable);
  const std::vector<int64_t> before = false_images(source, sentences);
  for (size_t i = 0; i < drawn.size(); ++i) {
    CHECK_FALSE(bad.contains(drawn[i]));
    CHECK(drawn[i] != source.image_of(sentences[i]));
    if (!bad.contains(before[i])) CHECK(drawn[i] == before[i]);
  }
  Summary summary;
  summary.blocks["test"] = evaluation;
  const fs::path file = copy.directory.write("summary.json", summary_json(summary));
  CHECK(read_summary(file).blocks.at("test").pictures_left_out == 4);
  UsablePictures strict(source, 3, {});
  options.usable = &strict;
  CHECK(lacking(tests::error_of([&] { evaluate(model, source, options); }), {"more than data.max_bad_files (3)"}) ==
        "");
}

TEST_CASE("A run ends with its figures and its report where held-out pictures cannot be decoded, and says so") {
  for (const char* name : {"pretraining", "vqa", "nlvr2", "retrieval"}) {
    CAPTURE(name);
    const Copy copy(name);
    Settings settings = copy.settings;
    settings.train.test_samples = 0;
    settings.train.evaluate_samples = 0;
    settings.train.steps = 4;
    // The first pictures of each held-out split, which are those of the first example, too.
    if (settings.train.task == "nlvr2") {
      for (const char* picture : {"val/val-0-0-img0.jpg", "val/val-0-0-img1.jpg"})
        damage(fs::path(settings.data.images) / picture);
    } else {
      for (const char* split : {"val", "test"})
        for (const char* picture : {"000000.jpg", "000001.jpg"}) damage(copy.folder() / "images" / split / picture);
    }
    const std::string log = train_log(settings);
    CHECK(lacking(log, {kPicturesLeftOut}) == "");
    const Summary summary = read_summary(fs::path(settings.train.out) / "summary.json");
    if (settings.train.task == "pretraining")
      CHECK(summary.blocks.at("test").pictures_left_out == 2);
    else
      CHECK(figure(summary.figures.at("test"), kPicturesLeftOut) == 2);
    settings.data.max_bad_files = 1;
    settings.train.out = copy.directory.path() / "strict";
    CHECK(lacking(train_error(settings), {"data: 2 images cannot be used, more than data.max_bad_files (1)"}) == "");
  }
}

}  // namespace tessera::damaged_pictures_test
