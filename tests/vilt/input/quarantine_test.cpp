// Images that cannot be used, and data sets that have too few.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include "tests/error_text.h"
#include "tests/vilt/input/batch_equality.h"
#include "tests/vilt/input/collator_bench.h"

namespace tessera::quarantine_test {
namespace {

using tests::CollatorBench;
using tests::error_of;
using tests::lacking;
using tests::options_of;
using tests::tiny_scenes;

// A copy of the scenes' folder in which some image files hold rubbish.
class DamagedScenes {
 public:
  explicit DamagedScenes(const std::set<int64_t>& bad) {
    std::filesystem::copy(tiny_scenes().folder(), folder(), std::filesystem::copy_options::recursive);
    const Dataset whole = open();
    for (const int64_t image : bad)
      std::ofstream(whole.images()[static_cast<size_t>(image)].path(), std::ios::binary) << "no picture";
  }
  Dataset open() const {
    DatasetOptions options;
    options.splits = {"train"};
    options.annotations = folder() / "annotations.jsonl";
    return Dataset::open(folder() / "dataset.json", folder() / "images", options);
  }

 private:
  std::filesystem::path folder() const { return directory_.path() / "scenes"; }
  tests::TemporaryDirectory directory_;
};

Dataset one_image(const tests::TemporaryDirectory& directory) {
  const Dataset all = tiny_scenes().open("train");
  std::filesystem::copy_file(all.images()[0].path(), directory.path() / "a.jpg");
  const auto file = directory.write("one.json", R"({"images": [{"filename": "a.jpg", "imgid": 0, "split": "train",
      "sentences": [{"raw": "a red ring", "sentid": 0}, {"raw": "a ring", "sentid": 1}]}]})");
  return Dataset::open(file, directory.path(), {{"train"}, {}, true});
}

}  // namespace

TEST_CASE("Bad image files are named once, counted, and replaced by a seeded draw") {
  const std::set<int64_t> bad{3, 4, 17};
  const DamagedScenes damaged(bad);
  const CollatorBench bench(options_of(), damaged.open()), again(options_of(), damaged.open());
  for (int64_t step = 0; step < 10; ++step) {
    const auto batches = bench.collator.step(step);
    CHECK(batches[0].pairs() == 8);
    for (const int64_t id : batches[0].sample_ids)
      CHECK_FALSE(bad.contains(bench.source.image_of(bench.sentence_with_id(id))));
  }
  CHECK(bench.quarantine.count() == 3);
  REQUIRE(bench.reports.size() == 3);
  for (const int64_t image : bad) {
    const std::string path = bench.dataset.images()[static_cast<size_t>(image)].path().string();
    CHECK(std::count_if(bench.reports.begin(), bench.reports.end(),
                        [&](const std::string& report) { return report.find(path) != std::string::npos; }) == 1);
  }
  // A collator that starts in the middle, and has seen no bad file yet, draws the same.
  for (const int64_t step : {int64_t{9}, int64_t{2}})
    CHECK(tests::equal(bench.collator.step(step), again.collator.step(step)));
}

TEST_CASE("A bad image in the curriculum is replaced from its group") {
  const Dataset whole = tiny_scenes().open("train");
  std::set<int64_t> bad;
  CollatorOptions options = options_of();
  options.curriculum_steps = 6;
  options.curriculum_group = "one_object";
  for (int64_t s = 0; s < 40 && bad.size() < 8; ++s)
    if (*whole.annotation(s)->group == "one_object") bad.insert(whole.sentences()[static_cast<size_t>(s)].image);
  const DamagedScenes damaged(bad);
  const CollatorBench bench(options, damaged.open());
  for (int64_t step = 0; step < 6; ++step)
    for (const int64_t id : bench.ids(step))
      CHECK(*bench.dataset.annotation(bench.sentence_with_id(id))->group == "one_object");
}

TEST_CASE("Too many bad files stop the run; so does a data set without a good one") {
  const DamagedScenes damaged({3, 4, 17});
  const CollatorBench bench(options_of(), damaged.open(), tests::TinyScenes::sample_options(), 2);
  const std::string message = error_of([&] {
    for (int64_t step = 0; step < 10; ++step) bench.collator.step(step);
  });
  CHECK(lacking(message, {"data: 3 images cannot be used, more than data.max_bad_files (2); the last: ", ".jpg"}) ==
        "");
  std::set<int64_t> all;
  for (int64_t image = 0; image < 40; ++image) all.insert(image);
  const DamagedScenes useless(all);
  CHECK_THROWS_WITH(CollatorBench(options_of(), useless.open()).collator.step(0),
                    "data: of the images of 40 captions not one can be used");
}

TEST_CASE("An image whose native size is not whole patches is left out, and the message says what to do") {
  SampleOptions samples = tests::TinyScenes::sample_options();
  samples.patch = 32;  // 96 x 64 fits, 80 x 80 does not
  CollatorOptions options = options_of();
  options.table_side = 3;
  const CollatorBench bench(options, tiny_scenes().open("train"), samples);
  for (int64_t step = 0; step < 5; ++step) bench.collator.step(step);
  REQUIRE_FALSE(bench.reports.empty());
  CHECK(bench.reports[0].find("80 x 80 pixels are not whole patches of 32; set image.resize to 'shorter'") !=
        std::string::npos);
}

TEST_CASE("A data set of one image has no false one: every pair is true") {
  for (const bool in_batch : {false, true}) {
    CollatorOptions options = options_of(4);
    options.false_images_in_batch = in_batch;
    const tests::TemporaryDirectory directory;
    const CollatorBench bench(options, one_image(directory));
    const PretrainBatch batch = bench.collator.step(0)[0];
    CHECK(batch.objectives.pair_labels.to_vector<int64_t>() == std::vector<int64_t>{1, 1, 1, 1});
    CHECK(batch.packed.grids.size() == 1);
  }
}

}  // namespace tessera::quarantine_test
