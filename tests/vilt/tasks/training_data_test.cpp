#include "train/sources/training_data.h"

#include <doctest/doctest.h>

#include <sstream>

#include "tensor/error.h"
#include "tests/error_text.h"
#include "tests/temporary_directory.h"
#include "tests/tiny_scenes.h"
#include "tests/vilt/tasks/short_run.h"

namespace tessera::training_data_test {

using short_run::settings_in;
using tests::lacking;
using tests::TemporaryDirectory;
namespace fs = std::filesystem;

namespace {

// Tables of the tiny scenes' pictures: the first `count` of a split.
std::string table_of(const std::string& split, int count) {
  std::string out = "image,text\n";
  const Dataset scenes = tests::tiny_scenes().open(split);
  for (int i = 0; i < count; ++i) {
    const DatasetImage& image = scenes.images()[static_cast<size_t>(i)];
    out += text(image.path().lexically_relative(tests::tiny_scenes().folder() / "images").string(), ',',
                scenes.sentences()[static_cast<size_t>(image.first_sentence)].text, '\n');
  }
  return out;
}

struct Opened {
  TrainingData data;
  Dataset test;
  std::string log;
};

Opened open(const Settings& settings) {
  std::ostringstream log;
  TrainingData data = open_training_data(settings.data, log);
  return {std::move(data), open_test_data(settings.data), log.str()};
}

Settings settings_of(const TemporaryDirectory& folder) {
  Settings settings = settings_in(folder.path() / "run");
  settings.data.vocabulary = tests::tiny_scenes().folder() / "vocab.txt";
  settings.data.annotations.clear();
  settings.data.unseen_split.clear();
  settings.data.unseen_group.clear();
  return settings;
}

}  // namespace

TEST_CASE("training data: one list without splits is divided") {
  const TemporaryDirectory folder;
  Settings settings = settings_of(folder);
  settings.data.captions = folder.write("all.csv", table_of("train", 40));
  const Opened opened = open(settings);
  CHECK(opened.data.train.images().size() == 36);
  CHECK(opened.data.validation.images().size() == 2);
  CHECK(opened.test.images().size() == 2);
  CHECK(lacking(opened.log, {"all.csv: a table with a header (data.kind = \"table\")\n",
                             "held out by their names are 2 as val"}) == "");
}

TEST_CASE("training data: files of their own for validation and test") {
  const TemporaryDirectory folder;
  Settings settings = settings_of(folder);
  settings.data.captions = folder.write("pairs.csv", table_of("train", 40));
  settings.data.validation_captions = folder.write("others.csv", table_of("val", 6));
  const Opened two = open(settings);
  CHECK(two.data.train.images().size() == 40);
  CHECK(two.data.validation.images().size() == 6);
  CHECK(two.test.images().size() == 6);
  CHECK(lacking(two.log,
                {"the figures at the end are of the validation pictures: ", "others.csv has no split 'test'"}) == "");

  settings.data.test_captions = folder.write("test.csv", table_of("test", 5));
  const Opened three = open(settings);
  CHECK(three.test.images().size() == 5);
  CHECK(three.data.train.images().size() == 40);
  CHECK(three.log.find("figures at the end") == std::string::npos);

  // Validation's own file may have a test split.
  settings.data.test_captions.clear();
  settings.data.validation_captions = tests::tiny_scenes().folder() / "dataset.json";
  const Opened both = open(settings);
  CHECK(both.test.images().size() == tests::tiny_scenes().open("test").images().size());
  CHECK(both.data.validation.images().size() == tests::tiny_scenes().open("val").images().size());

  settings.data.validation_captions.clear();
  settings.data.captions = folder.write("train.csv", table_of("train", 40));
  CHECK_THROWS_WITH_AS(open(settings),
                       doctest::Contains("no image has the split 'val'; the file has train (40), as its name says"),
                       Error);
}

TEST_CASE("training data: a run on a table, with damaged lines and missing pictures, trains and reports") {
  const TemporaryDirectory folder;
  Settings settings = settings_of(folder);
  settings.train.steps = 2;
  settings.objectives.content_first = settings.objectives.sibling_negatives = settings.train.curriculum = 0;
  settings.train.evaluate_every = 0;
  settings.data.captions = folder.write("pairs.csv", table_of("train", 40) + "none.jpg,a ring\n,\n");
  settings.data.validation_captions = folder.write("val.csv", table_of("val", 4) + "nothing.jpg,a ring\n");
  const std::string log = short_run::train_log(settings);
  CHECK(lacking(log, {"left out: dataset: ", "pairs.csv: line 43: field 'image' is ''",
                      "nothing.jpg: there is no such file", "41 captions of 41 images", "trained 2 steps"}) == "");
  const Summary summary = read_summary(folder.path() / "run" / "summary.json");
  CHECK(summary.blocks.at("test").samples == 4);
  settings.data.max_bad_files = 0;
  CHECK(lacking(short_run::train_error(settings, true), {"pairs.csv: 1 line cannot be used"}) == "");
}

TEST_CASE("training data: several sets are joined, and drawn by weight") {
  const TemporaryDirectory folder;
  Settings settings = settings_of(folder);
  const std::string images = settings.data.images;
  settings.data.captions.clear();
  settings.data.images.clear();
  settings.data.sets = {{.captions = folder.write("train.csv", table_of("train", 40)), .images = images, .weight = 1},
                        {.captions = folder.write("more.csv", table_of("test", 10)), .images = images, .weight = 3}};
  const Opened opened = open(settings);
  CHECK(opened.data.train.images().size() == 48);  // one of ten is held out for validation, one for the test
  CHECK(opened.data.train.part_sizes() == std::vector<int64_t>{40, 8});
  CHECK(opened.data.validation.images().size() == 1);
  CHECK(opened.test.images().size() == 1);
  CHECK(lacking(opened.log, {"trained on: 40 captions of ", "train.csv, weight 1\n", "trained on: 8 captions of "}) ==
        "");
  for (size_t i = 0; i < 48; ++i) {
    CHECK(opened.data.train.images()[i].first_sentence == static_cast<int64_t>(i));
    CHECK(opened.data.train.sentences()[i].image == static_cast<int64_t>(i));
    CHECK(opened.data.train.image_index(opened.data.train.images()[i].id) == static_cast<int64_t>(i));
  }
  // Annotations keep to their pictures.
  const fs::path scenes = tests::tiny_scenes().folder();
  settings.data.sets[1] = {
      .captions = scenes / "dataset.json", .images = images, .annotations = scenes / "annotations.jsonl", .weight = 3};
  const Dataset train = open(settings).data.train, alone = tests::tiny_scenes().open("train");
  REQUIRE(train.sentences().size() == 40 + alone.sentences().size());
  CHECK(train.annotation(0) == nullptr);
  for (int64_t s = 0; s < static_cast<int64_t>(alone.sentences().size()); ++s) {
    CHECK(train.sentences()[static_cast<size_t>(40 + s)].text == alone.sentences()[static_cast<size_t>(s)].text);
    CHECK(train.sibling(40 + s) == 40 + alone.sibling(s));
  }

  settings.data.sets = {settings.data.sets[0]};
  CHECK_THROWS_WITH_AS(open(settings),
                       doctest::Contains("no set of data.sets has the split 'val'; data.validation_captions"), Error);
}

TEST_CASE("training data: a mixed run trains and goes on as an uninterrupted one") {
  const TemporaryDirectory folder;
  Settings settings = settings_of(folder);
  settings.objectives.content_first = settings.objectives.sibling_negatives = settings.train.curriculum = 0;
  settings.train.steps = 6;
  const std::string images = settings.data.images;
  settings.data.captions.clear();
  settings.data.images.clear();
  settings.data.sets = {{.captions = folder.write("train.csv", table_of("train", 20)), .images = images, .weight = 1},
                        {.captions = folder.write("more.csv", table_of("test", 10)), .images = images, .weight = 2}};
  short_run::train_log(settings);
  const std::string whole = short_run::contents(folder.path() / "run" / "checkpoint-6" / "model.safetensors");
  settings.train.out = folder.path() / "stopped";
  short_run::train_until(settings, "step      4");
  CHECK(lacking(short_run::train_log(settings), {"trained 6 steps"}) == "");
  CHECK(short_run::contents(folder.path() / "stopped" / "checkpoint-6" / "model.safetensors") == whole);
  settings.data.sets[1].weight = 1;
  CHECK(lacking(short_run::train_error(settings), {"holds a run with other settings", "now     [data] sets = [{"}) ==
        "");
}

}  // namespace tessera::training_data_test
