#include "data/sets/dataset.h"

#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "tensor/error.h"
#include "tests/data/sets/small_dataset.h"
#include "tests/temporary_directory.h"
#include "tests/tiny_scenes.h"

namespace tessera::dataset_test {

using tests::check_message;
using tests::file_json;
using tests::image_json;
using tests::open_text;
using tests::TemporaryDirectory;
namespace fs = std::filesystem;

namespace {

std::string error_of(const std::string& json_text, const DatasetOptions& options = {}) {
  const TemporaryDirectory folder;
  try {
    open_text(folder, json_text, options);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace

TEST_CASE("dataset: Karpathy samples give the captions and splits of the reference") {
  for (const std::string name : {"coco", "f30k"}) {
    CAPTURE(name);
    const fs::path folder = fs::path(TESSERA_GOLDEN_DIR) / "data" / "formats" / name;
    const auto expected = nlohmann::json::parse(std::ifstream(folder / "expected.json"));
    const std::string file = name == "coco" ? "dataset_coco.json" : "dataset_flickr30k.json";
    DatasetOptions options;
    options.check_files = false;
    const Dataset all = Dataset::open(folder / "karpathy" / file, folder, options);
    REQUIRE(all.images().size() == expected["images"].get<size_t>());
    size_t captions_in_file = 0, repeated = 0;
    const auto contents = nlohmann::json::parse(std::ifstream(folder / "karpathy" / file));
    for (const auto& image : contents["images"]) {
      std::set<std::string> different;
      for (const auto& sentence : image["sentences"]) {
        std::string caption = sentence["raw"];
        if (caption.back() == '\n') caption.pop_back();
        repeated += !different.insert(caption).second;
        ++captions_in_file;
      }
    }
    CHECK(captions_in_file == expected["sentences"].get<size_t>());
    CHECK(all.sentences().size() + repeated == captions_in_file);

    for (size_t i = 0; i < all.images().size(); ++i) {
      const auto& record = expected["records"][i];
      const DatasetImage& image = all.images()[i];
      CHECK(image.path() == folder / record["path"].get<std::string>());
      CHECK(image.split == (record["split"] == "restval" ? "train" : record["split"].get<std::string>()));
      std::set<std::string> captions, unique;
      for (int64_t s = image.first_sentence; s < image.first_sentence + image.sentence_count; ++s) {
        captions.emplace(all.sentences()[static_cast<size_t>(s)].text);
        CHECK(all.sentences()[static_cast<size_t>(s)].image == static_cast<int64_t>(i));
      }
      for (std::string caption : record["unique_captions"]) {
        if (caption.back() == '\n') caption.pop_back();
        unique.insert(caption);
      }
      CHECK(captions == unique);
      CHECK(image.sentence_count == static_cast<int64_t>(unique.size()));
    }

    options.splits = {"train"};
    const Dataset train = Dataset::open(folder / "karpathy" / file, folder, options);
    CHECK(train.sentences().size() == expected["training_pairs"].get<size_t>());
  }
}

TEST_CASE("dataset: a part of several splits is what that split alone would be") {
  const fs::path folder = tests::tiny_scenes().folder();
  DatasetOptions options;
  options.annotations = folder / "annotations.jsonl";
  const auto open = [&](std::vector<std::string> splits) {
    options.splits = std::move(splits);
    return Dataset::open(folder / "dataset.json", folder / "images", options);
  };
  std::optional<Dataset> all = open({"val", "train", "test"});
  const Dataset part = all->part("test"), alone = open({"test"});
  CHECK_THROWS_WITH_AS(all->part("none"), doctest::Contains("no image of the opened splits has the split 'none'"),
                       Error);
  all.reset();  // the texts stay
  REQUIRE(part.images().size() == alone.images().size());
  REQUIRE(part.sentences().size() == alone.sentences().size());
  for (size_t i = 0; i < part.images().size(); ++i) {
    const DatasetImage &a = part.images()[i], &b = alone.images()[i];
    CHECK(a.id == b.id);
    CHECK(a.path() == b.path());
    CHECK(a.split == "test");
    CHECK(a.first_sentence == b.first_sentence);
    CHECK(a.sentence_count == b.sentence_count);
    CHECK(part.image_index(a.id) == static_cast<int64_t>(i));
  }
  for (size_t s = 0; s < part.sentences().size(); ++s) {
    const DatasetSentence &a = part.sentences()[s], &b = alone.sentences()[s];
    const auto index = static_cast<int64_t>(s);
    CHECK(a.id == b.id);
    CHECK(a.image == b.image);
    CHECK(a.text == b.text);
    REQUIRE(part.annotation(index) != nullptr);
    CHECK(part.annotation(index)->sentence_id == a.id);
    CHECK(part.sibling(index) == alone.sibling(index));
  }
  CHECK(part.image_index(tests::tiny_scenes().open("train").images()[0].id) == -1);
}

TEST_CASE("dataset: a sibling in another split than its caption's is an error of the part") {
  const TemporaryDirectory folder;
  DatasetOptions options;
  options.check_files = false;
  options.annotations = folder.write("a.jsonl", R"({"sentid": 30, "sibling": 5})");
  const std::string contents = file_json(image_json(3) + "," + image_json(5, "", "val"));
  const Dataset all = open_text(folder, contents, options);
  CHECK(all.sibling(0) == 1);
  CHECK(all.part("val").sentences().size() == 1);
  CHECK_THROWS_WITH_AS(all.part("train"), doctest::Contains("sentence 30: sibling 5 is no image of the chosen splits"),
                       Error);
}

TEST_CASE("dataset: images, splits and files") {
  const TemporaryDirectory folder;
  const std::string contents = file_json(image_json(7, "", "val") + "," + image_json(3) + "," +
                                         image_json(5, "", "restval") + "," + image_json(4, "", "test_unseen"));
  DatasetOptions options;
  options.splits = {"train"};
  const Dataset train = open_text(folder, contents, options);
  REQUIRE(train.images().size() == 2);
  CHECK(train.images()[0].id == 3);
  CHECK(train.images()[1].id == 5);
  CHECK(train.images()[1].split == "train");
  CHECK(train.image_index(5) == 1);
  CHECK(train.image_index(7) == -1);
  options.splits = {"val", "test_unseen"};
  CHECK(open_text(folder, contents, options).images().size() == 2);
  options.splits = {"test"};
  check_message(error_of(contents, options),
                "no image has the split 'test'; the file has test_unseen (1), train (2), val (1)");

  // Files are looked for in the chosen splits only.
  options = {};
  options.splits = {"val"};
  const fs::path json_file = folder.write("set.json", contents);
  CHECK_THROWS_WITH_AS(Dataset::open(json_file, folder.path(), options),
                       doctest::Contains("7.jpg does not exist (1 of 1 images)"), Error);
  // A name too long for the file system.
  std::string too_long = contents;
  too_long.replace(too_long.find("7.jpg"), 5, std::string(5000, 'a'));
  CHECK_THROWS_WITH_AS(Dataset::parse(too_long, "", "set.json", folder.path(), options),
                       doctest::Contains("aaa does not exist"), Error);
  folder.write("7.jpg", "");
  CHECK(Dataset::open(json_file, folder.path(), options).images().size() == 1);
  CHECK_THROWS_WITH_AS(Dataset::open(json_file, folder.path() / "none", options),
                       doctest::Contains("the image folder does not exist"), Error);
  CHECK_THROWS_WITH_AS(Dataset::open(folder.path() / "none.json", folder.path(), options),
                       doctest::Contains("none.json"), Error);
}

TEST_CASE("dataset: missing images are counted, ten of them named, and left out up to a limit") {
  const TemporaryDirectory folder;
  std::string images;
  for (int i = 0; i < 14; ++i) images += (i == 0 ? "" : ",") + image_json(i, "", i < 12 ? "train" : "val", "a ring", i);
  const fs::path json_file = folder.write("set.json", file_json(images));
  const auto message = [&](int64_t max_missing) {
    DatasetOptions options;
    options.max_missing = max_missing;
    try {
      Dataset::open(json_file, folder.path(), options);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const std::string at = folder.path().string() + "/";
  check_message(message(0), "14 of 14 images have no file: " + at + "0.jpg, " + at + "1.jpg, ");
  check_message(message(0),
                "9.jpg, and 4 more; is " + folder.path().string() + " the folder that their names begin in?");
  for (int i = 0; i < 14; ++i)
    if (i != 3 && i != 12) folder.write(text(i, ".jpg"), "");
  CHECK(message(0).ends_with("2 of 14 images have no file: " + at + "3.jpg, " + at + "12.jpg"));
  CHECK(message(1).ends_with("12.jpg; at most 1 may be missing (data.max_bad_files)"));
  CHECK(message(2) == "");

  DatasetOptions options;
  options.max_missing = 2;
  options.annotations = folder.write("notes.jsonl", R"({"sentid": 2, "sibling": 3})"
                                                    "\n"
                                                    R"({"sentid": 4, "sibling": 5})"
                                                    "\n");
  const Dataset all = Dataset::open(json_file, folder.path(), options);
  CHECK(all.images().size() == 14);
  CHECK(all.images()[3].missing);
  const Dataset there = all.part("train").without_missing();
  REQUIRE(there.images().size() == 11);
  CHECK(there.image_index(3) == -1);
  CHECK(there.image_index(4) == 3);
  CHECK(there.sentences()[3].id == 4);
  CHECK(there.sibling(3) == 4);
  REQUIRE(there.annotation(2) != nullptr);
  CHECK_FALSE(there.annotation(2)->sibling.has_value());  // it is missing
  CHECK(all.part("val").without_missing().images()[0].id == 13);
  folder.write("one.json", file_json(image_json(3)));
  options.annotations.clear();
  CHECK_THROWS_WITH_AS(Dataset::open(folder.path() / "one.json", folder.path(), options).without_missing(),
                       doctest::Contains("of the 1 images of the split 'train' not one has a file"), Error);
}

TEST_CASE("dataset: files of another well-known layout are named") {
  const auto is = [](const std::string& contents, const std::string& words) {
    check_message(error_of(contents),
                  "set.json: this is " + words + ", expected captions in one of the layouts of docs");
  };
  is(R"([{"id": "1", "image": "a.jpg", "conversations": [{"from": "human", "value": "x"}]}])",
     "a list of conversations, as LLaVA's");
  is("[" + image_json(1) + "]", "the array of Karpathy's splits without the object around it, {\"images\": […]}");
  is(R"({"identifier": "dev-1-0-0", "sentence": "x", "label": "True"})", "NLVR2's JSON lines");
  is(R"({"a.jpg": ["x", "y"]})", "an object with an entry for each picture");
  is(R"({"info": {}, "questions": [{"image_id": 1, "question": "x", "question_id": 1}]})",
     "questions or answers of VQA, which are no captions");
  // What is none of them is told as before.
  check_message(error_of("[{\"a\": 1}]"), "something else than one JSON object");
  check_message(error_of("{\"images\": [{\"id\": 1}]}"), "image 0: field 'imgid' is missing");
  check_message(error_of("hello, world"), "not valid JSON");
}

TEST_CASE("dataset: malformed files are refused with the image and the field") {
  const std::string good = image_json(1);
  const auto two = [&](const std::string& second) { return error_of(file_json(good + "," + second)); };
  check_message(two("{\"imgid\": 2, \"filename\": \"2.jpg\", \"split\": \"train\"}"),
                "image 1 (imgid 2): field 'sentences' is missing");
  check_message(two("{\"filename\": \"2.jpg\"}"), "image 1: field 'imgid' is missing");
  check_message(two("{\"imgid\": \"two\"}"), "image 1: field 'imgid' is a string, expected an integer");
  check_message(two("{\"imgid\": 1.5}"), "field 'imgid' is 1.5, expected an integer");
  check_message(two("{\"imgid\": 99999999999999999999}"), "expected an integer of at most 63 bits");
  check_message(two("{\"imgid\": 18446744073709551615}"), "expected an integer of at most 63 bits");
  check_message(two("{\"imgid\": -2}"), "field 'imgid' is -2, expected 0 or more");
  check_message(two("17"), "entry 1 of 'images' is not an object");
  check_message(two("[{}]"), "entry 1 of 'images' is not an object");
  check_message(two(image_json(1, "2.jpg")), "image 1 (imgid 1): an earlier image has the same imgid");
  check_message(two(image_json(2, "1.jpg")), "an earlier image names the same file");
  check_message(two(image_json(2, "./1.jpg")), "an earlier image names the same file");
  check_message(two(image_json(2, "", "training")), "field 'split' is 'training', expected train, restval, val, test");
  check_message(two(image_json(2, "", "train", "a", 10)), "sentence 0: an earlier sentence has the same sentid 10");
  check_message(two(image_json(2, "", "train", "  \\n")), "sentence 0: field 'raw' is empty");
  check_message(two(image_json(2, "../2.jpg")), "field 'filename' is '../2.jpg', which leaves the image folder");
  check_message(two(image_json(2, "a/../../2.jpg")), "which leaves the image folder");
  check_message(two(image_json(2, "/etc/passwd")), "which leaves the image folder");
  check_message(two(image_json(2, "a\\u0000b")), "expected a file name");
  check_message(two("{\"imgid\": 2, \"split\": \"val\", \"filename\": \"\", \"sentences\": []}"),
                "field 'filename' is ''");
  check_message(two("{\"imgid\": 2, \"split\": \"val\", \"filepath\": \"..\", \"filename\": \"a\", \"sentences\": []}"),
                "field 'filepath' is '..', which leaves");
  check_message(two("{\"imgid\": 2, \"split\": \"val\", \"filename\": \"a\", \"sentences\": []}"),
                "field 'sentences' is empty");
  check_message(two("{\"imgid\": 2, \"split\": \"val\", \"filename\": \"a\", \"sentences\": {}}"),
                "is an object, expected an array");
  check_message(two("{\"imgid\": 2, \"split\": \"val\", \"filename\": \"a\", \"sentences\": [3]}"),
                "sentence 0: not a JSON object");
  check_message(
      two("{\"imgid\": 2, \"split\": \"val\", \"filename\": \"a\", \"sentences\": [{\"sentid\": 2, \"raw\": 17}]}"),
      "sentence 0: field 'raw' is a number, expected a string");
  check_message(two("{\"imgid\": 2, \"split\": \"val\", \"filename\": \"a\", \"sentences\": [{\"sentid\": 2, "
                    "\"imgid\": 3, \"raw\": \"x\"}]}"),
                "field 'imgid' is not that of its image");
  // Unknown fields are ignored.
  CHECK(two("{\"note\": {\"any\": [1, null]}, " + image_json(2).substr(1)) == "no error");
}

TEST_CASE("dataset: what is no strict JSON is refused") {
  const std::string good = image_json(1);
  check_message(error_of(""), "not valid JSON");
  check_message(error_of("version https://git-lfs.github.com/spec/v1\noid sha256:aa\n"),
                "not valid JSON: it is a pointer of git-lfs (the file itself was not downloaded: git lfs pull)");
  check_message(error_of("PK\3\4 dataset_coco.json"), "not valid JSON: it is a ZIP archive");
  check_message(error_of("[1]"), "something else than one JSON object");
  check_message(error_of("3"), "something else than one JSON object");
  check_message(error_of("{}"), "field 'images' is missing");
  check_message(error_of("{\"images\": {}}"), "field 'images' is not an array");
  check_message(error_of("{\"images\": 3}"), "field 'images' is not an array");
  check_message(error_of(file_json("")), "has no images");
  check_message(error_of(file_json(good).substr(0, 60)), "not valid JSON: parse error at line 1");
  check_message(error_of(file_json(good) + " {}"), "not valid JSON");
  check_message(error_of("{\"images\": [{\"imgid\": NaN}]}"), "not valid JSON");
  check_message(error_of("{\"images\": [{\"imgid\": 7, \"imgid\": 1}]}"), "duplicate key 'imgid'");
  check_message(error_of(file_json(good).substr(0, file_json(good).size() - 1) + ", \"images\": []}"),
                "duplicate key 'images'");
  check_message(error_of(file_json(image_json(1, "", "train", "a \xff ring"))), "not valid JSON");
  check_message(error_of(file_json(image_json(1, "", "train", "a \\ud83d ring"))), "not valid JSON");
  check_message(error_of(std::string(20000, '[') + std::string(20000, ']')), "nested deeper than 32");
  check_message(error_of("{\"images\": [{\"x\": " + std::string(20000, '[') + std::string(20000, ']') + "}]}"),
                "nested deeper than 32");
  // Dropped values are watched, too.
  check_message(error_of("{\"images\": [{\"tokens\": {\"a\": 1, \"a\": 2}}]}"), "duplicate key 'a'");
  // Control characters of a file never reach the terminal.
  check_message(error_of("{\"\\u001b[2J\": 1, \"\\u001b[2J\": 2}"), "duplicate key '?[2J'");
}

}  // namespace tessera::dataset_test
