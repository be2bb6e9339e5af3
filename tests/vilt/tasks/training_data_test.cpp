#include "vilt/tasks/training_data.h"

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
  TrainingData data = open_training_data(settings, log);
  return {std::move(data), open_test_data(settings), log.str()};
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

}  // namespace tessera::training_data_test
