#include "data/sets/dataset.h"

#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "tensor/error.h"
#include "tests/temporary_directory.h"
#include "tests/tiny_scenes.h"

namespace tessera::dataset_test {

using tests::TemporaryDirectory;
namespace fs = std::filesystem;

namespace {

// One image with one caption; `field` is replaced by or added to its fields as given.
std::string image_json(int id, const std::string& filename = "", const std::string& split = "train",
                       const std::string& caption = "a red ring", int sentence = -1) {
  return text("{\"imgid\": ", id, ", \"filename\": \"", filename.empty() ? text(id, ".jpg") : filename,
              "\", \"split\": \"", split, "\", \"sentences\": [{\"sentid\": ", sentence < 0 ? 10 * id : sentence,
              ", \"raw\": \"", caption, "\"}]}");
}

std::string file_json(const std::string& images) { return "{\"images\": [" + images + "]}"; }

Dataset open_text(const TemporaryDirectory& folder, const std::string& json_text, DatasetOptions options = {}) {
  options.check_files = false;
  return Dataset::open(folder.write("set.json", json_text), folder.path(), options);
}

std::string error_of(const std::string& json_text, const DatasetOptions& options = {}) {
  const TemporaryDirectory folder;
  try {
    open_text(folder, json_text, options);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

void check_message(const std::string& message, const std::string& expected) {
  INFO("message: ", message);
  CHECK(message.find(expected) != std::string::npos);
}

std::string annotation_error(const std::string& lines) {
  const TemporaryDirectory folder;
  DatasetOptions options;
  options.annotations = folder.write("annotations.jsonl", lines);
  try {
    open_text(folder,
              file_json(image_json(1) + "," + image_json(2, "", "train", "ein gr\xc3\xbcner Ring") + "," +
                        image_json(3, "", "val")),
              options);
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
      // Flickr30k's file gives no folder; the reference's paths begin with the image folder's usual name.
      const fs::path path(record["path"].get<std::string>());
      CHECK(image.path() == folder / (name == "coco" ? path : path.filename()));
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
  CHECK_THROWS_WITH_AS(Dataset::open(json_file, folder.path(), options), doctest::Contains("7.jpg does not exist"),
                       Error);
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
  check_message(error_of(std::string(20000, '[') + std::string(20000, ']')), "something else than one JSON object");
  check_message(error_of("{\"images\": [{\"x\": " + std::string(20000, '[') + std::string(20000, ']') + "}]}"),
                "nested deeper than 32");
  // Dropped values are watched, too.
  check_message(error_of("{\"images\": [{\"tokens\": {\"a\": 1, \"a\": 2}}]}"), "duplicate key 'a'");
  // Control characters of a file never reach the terminal.
  check_message(error_of("{\"\\u001b[2J\": 1, \"\\u001b[2J\": 2}"), "duplicate key '?[2J'");
}

TEST_CASE("dataset: annotations are attached to the sentences of the chosen split") {
  const TemporaryDirectory folder;
  DatasetOptions options;
  options.splits = {"train"};
  options.annotations = folder.write(
      "annotations.jsonl",
      "{\"sentid\": 30, \"group\": \"other split\"}\n\n"
      "{\"sentid\": 10, \"sibling\": 2, \"difference\": \"colour\", \"group\": 2, \"unknown\": null,"
      " \"content_words\": [{\"begin\": 2, \"end\": 5, \"kind\": \"colour\", \"object\": 0}, {\"begin\": 6, \"end\": "
      "10, \"kind\": \"shape\"}],"
      " \"objects\": [{\"box\": [1, 2.5, 30, 40], \"attributes\": {\"colour\": \"red\", \"shape\": \"ring\"}}]}\r\n"
      "{\"sentid\": 20}");
  const Dataset dataset =
      open_text(folder, file_json(image_json(1) + "," + image_json(2) + "," + image_json(3, "", "val")), options);
  REQUIRE(dataset.annotation(0) != nullptr);
  const Annotation& annotation = *dataset.annotation(0);
  CHECK(annotation.sibling == 2);
  CHECK(dataset.sibling(0) == 1);
  CHECK(annotation.difference == "colour");
  CHECK(annotation.group == "2");
  REQUIRE(annotation.content_words->size() == 2);
  CHECK((*annotation.content_words)[0].kind == "colour");
  CHECK((*annotation.content_words)[0].object == 0);
  CHECK((*annotation.content_words)[1].object == -1);
  CHECK((*annotation.objects)[0].box == Box{1, 2.5, 30, 40});
  CHECK((*annotation.objects)[0].attributes.at("shape") == "ring");

  CHECK_NOTHROW(annotation.require(AnnotationField::sibling, "sibling_negatives = true"));
  CHECK_THROWS_WITH_AS(
      dataset.require(AnnotationField::sibling, "sibling_negatives = true"),
      doctest::Contains(
          "sibling_negatives = true needs the annotation field 'sibling', which sentence 20 does not have"),
      Error);
  CHECK_THROWS_WITH_AS(dataset.sibling(1), doctest::Contains("sentence 20 has no annotation 'sibling'"), Error);
  CHECK_THROWS_WITH_AS(caption_true_of(annotation, *dataset.annotation(1)), doctest::Contains("'objects'"), Error);
  for (const AnnotationField field :
       {AnnotationField::difference, AnnotationField::content_words, AnnotationField::objects, AnnotationField::group})
    CHECK_THROWS_WITH_AS(dataset.require(field, "x"), doctest::Contains(std::string(name(field)).c_str()), Error);

  const Dataset plain = open_text(folder, file_json(image_json(1)));
  CHECK(plain.annotation(0) == nullptr);
  CHECK_THROWS_WITH_AS(plain.require(AnnotationField::group, "curriculum = 0.35"),
                       doctest::Contains("curriculum = 0.35 needs the annotation field 'group', but"), Error);
  options.annotations = folder.write("few.jsonl", "{\"sentid\": 10, \"group\": \"a\"}\n");
  const Dataset few = open_text(folder, file_json(image_json(1) + "," + image_json(2)), options);
  CHECK_THROWS_WITH_AS(few.require(AnnotationField::group, "x"), doctest::Contains("has no line for sentence 20"),
                       Error);
}

TEST_CASE("dataset: malformed annotations are refused with the line and the field") {
  const auto words = [](const std::string& word) {
    return annotation_error("{\"sentid\": 20, \"content_words\": [" + word + "]}");
  };
  const auto object = [](const std::string& fields) {
    return annotation_error("{\"sentid\": 20, \"objects\": [{" + fields + "}]}");
  };
  CHECK(annotation_error("{\"sentid\": 20}\n") == "no error");
  check_message(annotation_error("{\"sentid\": 20}\n{"), "annotations.jsonl, line 2: not valid JSON");
  check_message(annotation_error("[]"), "line 1: not a JSON object");
  check_message(annotation_error("{\"group\": \"a\"}"), "line 1: field 'sentid' is missing");
  check_message(annotation_error("{\"sentid\": 20, \"sentid\": 10}"), "line 1: duplicate key 'sentid'");
  check_message(annotation_error("{\"sentid\": 99}"), "has the sentid 99");
  check_message(annotation_error("{\"sentid\": 20}\n{\"sentid\": 20}"), "sentence 20 is annotated twice");
  check_message(annotation_error("{\"sentid\": 20, \"sibling\": 9}"),
                "sentence 20: sibling 9 is no image of the chosen splits");
  check_message(annotation_error("{\"sentid\": 20, \"sibling\": 2}"), "sentence 20: its sibling is its own image");
  check_message(annotation_error("{\"sentid\": 20, \"group\": 1.5}"), "field 'group' is a number, expected a string");
  check_message(annotation_error("{\"sentid\": 20, \"difference\": 3}"),
                "field 'difference' is a number, expected a string");
  check_message(words("{\"begin\": 4, \"end\": 4, \"kind\": \"x\"}"), "entry 0 of 'content_words': span 4..4 is empty");
  check_message(words("{\"begin\": -1, \"end\": 4, \"kind\": \"x\"}"), "field 'begin' is -1");
  check_message(words("{\"begin\": 4, \"end\": 40, \"kind\": \"x\"}"),
                "span 4..40 lies outside the caption of 16 bytes");
  check_message(words("{\"begin\": 4, \"end\": 7, \"kind\": \"x\"}"), "cuts a UTF-8 character");
  check_message(words("{\"begin\": 4, \"end\": 6}"), "field 'kind' is missing");
  check_message(words("{\"begin\": 4, \"end\": 6, \"kind\": \"x\", \"object\": 0}"),
                "a content word describes object 0 of 0");
  check_message(words("{\"begin\": 4, \"end\": 6, \"kind\": \"x\", \"object\": -2}"), "field 'object' is -2");
  check_message(object("\"box\": [1, 2, 3]"), "entry 0 of 'objects': field 'box' has 3 numbers, expected 4");
  check_message(object("\"box\": [1, 2, 3, \"4\"]"), "field 'box' holds a string");
  check_message(object("\"box\": [1, -2, 3, 4]"), "field 'box' holds -2");
  check_message(object("\"box\": [1, 2, 0, 4]"), "box of 0 x 4 pixels is empty");
  check_message(object("\"box\": [1, 2, 3, 4], \"attributes\": []"),
                "field 'attributes' is an array, expected an object");
  check_message(object("\"box\": [1, 2, 3, 4], \"attributes\": {\"colour\": 3}"),
                "attribute 'colour' is a number, expected a string");
}

TEST_CASE("annotations: boxes follow the resize; captions are true of pictures that show all their objects") {
  CHECK(resize_box({10, 20, 30, 40}, 100, 200, 50, 400) == Box{20, 10, 60, 20});
  const auto scene = [](std::vector<std::map<std::string, std::string>> objects) {
    Annotation annotation;
    annotation.objects.emplace();
    for (auto& attributes : objects) annotation.objects->push_back({{0, 0, 1, 1}, std::move(attributes)});
    return annotation;
  };
  const Annotation ring = scene({{{"colour", "red"}, {"shape", "ring"}}});
  const Annotation both = scene({{{"colour", "blue"}, {"shape", "cross"}}, {{"colour", "red"}, {"shape", "ring"}}});
  const Annotation exchanged =
      scene({{{"colour", "red"}, {"shape", "cross"}}, {{"colour", "blue"}, {"shape", "ring"}}});
  CHECK(caption_true_of(ring, both));
  CHECK_FALSE(caption_true_of(both, ring));
  CHECK_FALSE(caption_true_of(ring, exchanged));
  CHECK_FALSE(caption_true_of(both, exchanged));
}

}  // namespace tessera::dataset_test
