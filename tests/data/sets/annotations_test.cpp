#include "data/sets/annotations.h"

#include <doctest/doctest.h>

#include "tests/data/sets/small_dataset.h"

namespace tessera::annotations_test {
namespace {

using tests::check_message;
using tests::file_json;
using tests::image_json;
using tests::open_text;
using tests::TemporaryDirectory;

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

}  // namespace tessera::annotations_test
