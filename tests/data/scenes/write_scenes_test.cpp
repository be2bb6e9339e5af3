#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>

#include "data/scenes/scenes.h"
#include "data/sets/dataset.h"
#include "tensor/error.h"
#include "tests/temporary_directory.h"

namespace tessera::write_scenes_test {

using tests::TemporaryDirectory;
namespace fs = std::filesystem;

namespace {

ScenesOptions small_options(ScenesKind kind = ScenesKind::scenes) {
  ScenesOptions options;
  options.kind = kind;
  options.seed = 3;
  options.train = 300;  // more than one chunk of work
  options.val = 4;
  options.test = 6;
  options.test_unseen = 10;
  return options;
}

std::map<std::string, std::string> all_files(const fs::path& directory) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream in(entry.path(), std::ios::binary);
    files[entry.path().lexically_relative(directory).string()] = {std::istreambuf_iterator<char>(in), {}};
  }
  return files;
}

int64_t entries(const fs::path& directory) { return std::distance(fs::directory_iterator(directory), {}); }

}  // namespace

TEST_CASE("write_scenes: the same bytes with any number of threads") {
  const TemporaryDirectory folder;
  ScenesOptions options = small_options();
  options.threads = 1;
  CHECK(write_scenes(folder.path() / "one", options) == ScenesResult::written);
  options.threads = 3;
  CHECK(write_scenes(folder.path() / "deep" / "three", options) == ScenesResult::written);
  const auto one = all_files(folder.path() / "one");
  CHECK(one == all_files(folder.path() / "deep" / "three"));
  CHECK(one.size() == 320 + 4);  // dataset.json, annotations.jsonl, manifest.json, README.md
  options.seed = 4;
  write_scenes(folder.path() / "other", options);
  CHECK(one.at("images/train/000000.jpg") != all_files(folder.path() / "other").at("images/train/000000.jpg"));
  CHECK(entries(folder.path()) == 3);  // nothing is left beside
}

TEST_CASE("write_scenes: what was generated is what a reader of data sets finds") {
  for (const ScenesKind kind : {ScenesKind::scenes, ScenesKind::quick}) {
    const TemporaryDirectory folder;
    const ScenesOptions options = small_options(kind);
    const fs::path directory = folder.path() / "set";
    write_scenes(directory, options);
    int64_t first_id = 0;
    for (const ScenesSplit split : kScenesSplits) {
      CAPTURE(name(split));
      DatasetOptions reading;
      reading.splits = {std::string(name(split))};
      reading.annotations = directory / "annotations.jsonl";
      const Dataset dataset = Dataset::open(directory / "dataset.json", directory / "images", reading);
      REQUIRE(static_cast<int64_t>(dataset.images().size()) == options.count(split));
      REQUIRE(dataset.sentences().size() == dataset.images().size());
      for (const AnnotationField field :
           {AnnotationField::sibling, AnnotationField::difference, AnnotationField::content_words,
            AnnotationField::objects, AnnotationField::group})
        CHECK_NOTHROW(dataset.require(field, "test"));
      for (int64_t i = 0; i < options.count(split); i += 3) {
        const Scene scene = generate_scene(options, split, i);
        const DatasetSentence& sentence = dataset.sentences()[static_cast<size_t>(i)];
        const Annotation& annotation = *dataset.annotation(i);
        CHECK(sentence.text == scene.caption);
        CHECK(sentence.id == first_id + i);
        CHECK(dataset.images()[static_cast<size_t>(i)].id == first_id + i);
        CHECK(dataset.sibling(i) == (i ^ 1));
        CHECK(annotation.difference == name(scene.difference));
        CHECK(annotation.group == scene.group);
        REQUIRE(annotation.content_words->size() == scene.content_words.size());
        for (size_t w = 0; w < scene.content_words.size(); ++w) {
          const ContentWord &a = (*annotation.content_words)[w], &b = scene.content_words[w];
          CHECK((a.begin == b.begin && a.end == b.end && a.kind == b.kind && a.object == b.object));
        }
        REQUIRE(annotation.objects->size() == scene.squares.size());
        for (size_t o = 0; o < scene.squares.size(); ++o) {
          const scenes::Square& square = scene.squares[o];
          const double side = square.side;
          CHECK((*annotation.objects)[o].box ==
                Box{static_cast<double>(square.x), static_cast<double>(square.y), side, side});
          const auto colour = static_cast<size_t>(scene.description.objects[o].colour);
          CHECK((*annotation.objects)[o].attributes.at("colour") == scenes::kColours[colour].name);
        }
        // A sibling's objects make the caption false, unless only the relation differs.
        CHECK(caption_true_of(annotation, *dataset.annotation(i ^ 1)) ==
              (scene.difference == scenes::Difference::relation));
        // JPEG at quality 95 with full chroma: on average within the noise that was drawn (deviation 6).
        const Image image = read_image(dataset.images()[static_cast<size_t>(i)].path());
        REQUIRE(image.pixels.size() == scene.image.pixels.size());
        double sum = 0;
        for (size_t p = 0; p < image.pixels.size(); ++p) sum += std::abs(image.pixels[p] - scene.image.pixels[p]);
        CHECK(sum / static_cast<double>(image.pixels.size()) < 3);
      }
      first_id += options.count(split);
    }
  }
}

TEST_CASE("write_scenes: an existing directory is kept, refused or replaced") {
  const TemporaryDirectory folder;
  const fs::path directory = folder.path() / "set";
  ScenesOptions options = small_options();
  options.train = 8;
  fs::create_directory(directory);  // an empty one may be filled
  CHECK(write_scenes(directory.string() + "/", options) == ScenesResult::written);
  const auto before = all_files(directory);
  CHECK(write_scenes(directory, options) == ScenesResult::kept);
  CHECK(all_files(directory) == before);

  options.seed = 4;
  CHECK_THROWS_WITH_AS(write_scenes(directory, options), doctest::Contains("holds a data set with other settings"),
                       Error);
  CHECK_THROWS_WITH_AS(write_scenes(directory, options), doctest::Contains("\"seed\": 3"), Error);
  CHECK_THROWS_WITH_AS(write_scenes(directory, options), doctest::Contains("--force"), Error);
  CHECK(all_files(directory) == before);
  options.force = true;
  CHECK(write_scenes(directory, options) == ScenesResult::written);
  CHECK(all_files(directory) != before);
  options.force = false;
  CHECK(write_scenes(directory, options) == ScenesResult::kept);

  fs::remove(directory / "images" / "val" / "000001.jpg");
  CHECK_THROWS_WITH_AS(write_scenes(directory, options), doctest::Contains("has lost some of its files"), Error);

  // Never what somebody else has written, not even with force.
  options.force = true;
  folder.write("mine/diary.txt", "dear diary");
  CHECK_THROWS_WITH_AS(write_scenes(folder.path() / "mine", options),
                       doctest::Contains("is no data set written by `vilt scenes`"), Error);
  CHECK_THROWS_WITH_AS(write_scenes(folder.path() / "mine" / "diary.txt", options),
                       doctest::Contains("is no data set written by"), Error);
  CHECK_THROWS_WITH_AS(write_scenes(folder.path() / "mine" / "diary.txt" / "set", options),
                       doctest::Contains("Not a directory"), Error);
  CHECK(fs::exists(folder.path() / "mine" / "diary.txt"));
  CHECK(entries(folder.path()) == 2);
}

TEST_CASE("write_scenes: leftovers of a killed process go, a failure leaves nothing, progress ends at the total") {
  const TemporaryDirectory folder;
  ScenesOptions options = small_options();
  // No process has this number: Linux's limit is 2^22.
  folder.write("set.partial-99999999/images/train/000000.jpg", "half");
  folder.write("set.partial-notes/a.txt", "somebody's");
  CHECK_THROWS_AS(
      write_scenes(folder.path() / "set", options, [](int64_t, int64_t) { throw std::runtime_error("stopped"); }),
      std::runtime_error);
  CHECK(entries(folder.path()) == 1);
  CHECK(fs::exists(folder.path() / "set.partial-notes"));
  int64_t last = -1, total = 0;
  write_scenes(folder.path() / "set", options, [&](int64_t done, int64_t all) {
    CHECK(done >= last);
    last = done;
    total = all;
  });
  CHECK(last == 320);
  CHECK(total == 320);
}

TEST_CASE("write_scenes: impossible counts") {
  const TemporaryDirectory folder;
  ScenesOptions options = small_options();
  options.val = 3;
  CHECK_THROWS_WITH_AS(write_scenes(folder.path() / "set", options),
                       doctest::Contains("split val has 3 scenes, expected an even number"), Error);
  options.val = 2'000'000;
  CHECK_THROWS_WITH_AS(write_scenes(folder.path() / "set", options), doctest::Contains("at most 1000000"), Error);
  options.train = options.val = options.test = options.test_unseen = 0;
  CHECK_THROWS_WITH_AS(write_scenes(folder.path() / "set", options), doctest::Contains("no scenes are asked for"),
                       Error);
  CHECK(entries(folder.path()) == 0);
}

}  // namespace tessera::write_scenes_test
