#include "data/tasks/vqa_files.h"

#include <doctest/doctest.h>

#include "tests/error_text.h"
#include "tests/temporary_directory.h"

namespace tessera::vqa_files_test {
namespace {

using tests::error_of;
using tests::lacking;

const VqaFiles kFiles{"questions.json", "annotations.json", "coco"};

std::string questions_json(const std::string& questions, const std::string& front = "\"data_subtype\": \"train2014\"") {
  return "{" + front + ", \"questions\": [" + questions + "]}";
}
std::string question_json(int id, int image) {
  return text(R"({"image_id": )", image, R"(, "question": "What is it?", "question_id": )", id, "}");
}
std::string annotation_json(int id, int image, const std::string& more = R"("multiple_choice_answer": "The Dog",)",
                            const std::string& answers = R"({"answer": "dog", "answer_id": 1})") {
  return text("{\"question_id\": ", id, ", \"image_id\": ", image, ", ", more,
              R"("answer_type": "other", "question_type": "what is", "answers": [)", answers, "]}");
}
std::string annotations_json(const std::string& annotations) {
  return R"({"info": {"a": [1, {}]}, "annotations": [)" + annotations + "]}";
}

VqaData parsed(const std::string& questions, const std::string& annotations) {
  return parse_vqa(questions, annotations, kFiles, {.check_files = false});
}

}  // namespace

TEST_CASE("VQA files: questions and annotations are paired by id, in the order of the annotations") {
  const VqaData data = parsed(
      questions_json(question_json(10, 1) + "," + question_json(11, 1)),
      annotations_json(annotation_json(11, 1, "\"multiple_choice_answer\": \"2\",") + "," + annotation_json(10, 1)));
  REQUIRE(data.questions.size() == 2);
  CHECK(data.questions[0].id == 11);
  CHECK(data.questions[0].table_answer == "2");
  const VqaQuestion& second = data.questions[1];
  CHECK(second.id == 10);
  CHECK(second.question == "What is it?");
  CHECK(second.image == "coco/train2014/COCO_train2014_000000000001.jpg");
  CHECK(second.answers == std::vector<std::string>{"dog"});
  CHECK(second.records.empty());
  CHECK(second.table_answer == "dog");  // normalised
  CHECK(second.answer_type == "other");
  CHECK(second.question_type == "what is");
}

TEST_CASE("VQA files: test questions need no annotations, and test-dev's pictures are those of test") {
  const VqaFiles files{"q.json", {}, "coco/"};
  const VqaData data = parse_vqa(questions_json(question_json(10, 123456), "\"data_subtype\": \"test-dev2015\""), "",
                                 files, {.check_files = false});
  CHECK(data.questions.at(0).image == "coco/test2015/COCO_test2015_000000123456.jpg");
  CHECK(data.questions.at(0).answers.empty());
}

TEST_CASE("VQA files: the part of COCO is told by the file's name where the file does not") {
  const auto image_of = [](const char* name, const std::string& front) {
    return parse_vqa(questions_json(question_json(1, 2), front), "", {name, {}, "i"}, {.check_files = false})
        .questions.at(0)
        .image;
  };
  CHECK(image_of("v2_OpenEnded_mscoco_val2014_questions.json", "\"info\": {\"data_subtype\": \"no\"}") ==
        "i/val2014/COCO_val2014_000000000002.jpg");
  CHECK(image_of("questions.json", "\"info\": {}") == "i/000000000002.jpg");
  // It becomes part of a path, so nothing that could leave the folder is taken.
  CHECK(image_of("questions.json", "\"data_subtype\": \"../../etc\"") == "i/000000000002.jpg");
}

TEST_CASE("VQA files: answers without ids are told apart by what else is said of them") {
  const auto records = [](const std::string& answers) {
    return parsed(questions_json(question_json(1, 1)), annotations_json(annotation_json(1, 1, "", answers)))
        .questions.at(0);
  };
  const VqaQuestion question =
      records(R"({"answer": "x", "answer_confidence": "yes"}, {"answer": "y", "answer_confidence": "no"},
                 {"answer": "y", "answer_confidence": "yes"})");
  CHECK(question.records == std::vector<int32_t>{0, 1, 0});
  CHECK(question.table_answer == "y");  // no multiple-choice answer: the most frequent
  CHECK(records(R"({"answer": "x", "answer_id": 2}, {"answer": "y", "answer_id": 2})").records ==
        std::vector<int32_t>{0, 0});
  CHECK(records(R"({"answer": "x"}, {"answer": "y"})").table_answer == "x");  // of equally frequent ones the first
}

TEST_CASE("VQA files: what does not fit together is named") {
  const std::string good = questions_json(question_json(10, 1) + "," + question_json(11, 2));
  const auto error = [&](const std::string& annotations) {
    return error_of([&] { parsed(good, annotations_json(annotations)); });
  };
  const std::string first = annotation_json(10, 1) + ",";
  CHECK(lacking(error(first + annotation_json(12, 2)),
                {"annotations.json: annotation 1 (question_id 12)", "questions.json has no question"}) == "");
  CHECK(lacking(error(first + annotation_json(10, 1)), {"question_id 10", "earlier annotation"}) == "");
  CHECK(lacking(error(annotation_json(10, 1)), {"1 of the 2 questions", "question_id 11", "belong together"}) == "");
  CHECK(lacking(error(first + annotation_json(11, 3)), {"question_id 11", "'image_id' is 3", "question's is 2"}) == "");
  CHECK(lacking(error(first + annotation_json(11, 2, "", "")), {"question_id 11", "'answers' is empty"}) == "");
  CHECK(lacking(error(first + annotation_json(11, 2, "", R"({"answer": "x"}, {"answer": 3})")),
                {"question_id 11", "answer 1", "found a number"}) == "");
  CHECK(lacking(error(first + annotation_json(11, 2, "", "\"x\"")), {"answer 0", "found a string"}) == "");
  const auto question_error = [&](const std::string& questions) {
    return error_of([&] { parsed(questions_json(questions), annotations_json(first + annotation_json(11, 2))); });
  };
  CHECK(lacking(question_error(question_json(10, 1) + "," + question_json(10, 1)),
                {"questions.json: question 1 (question_id 10)", "same question_id"}) == "");
  CHECK(lacking(question_error(R"({"question_id": 10, "image_id": 1, "question": ""})"), {"'question' is empty"}) ==
        "");
  CHECK(lacking(question_error(R"({"question_id": -1, "image_id": 1, "question": "q"})"), {"question_id", "-1"}) == "");
  CHECK(lacking(question_error(R"({"question_id": 99999999999999999999, "image_id": 1, "question": "q"})"),
                {"question_id", "63 bits"}) == "");
  CHECK(lacking(question_error(""), {"questions.json holds no question"}) == "");
  CHECK(lacking(error_of([&] { parsed(annotations_json(annotation_json(10, 1)), good); }),
                {"field 'questions' is missing"}) == "");
}

TEST_CASE("VQA files: pictures are found in several layouts; what is missing is counted, and left out if allowed") {
  for (const char* name : {"train2014/COCO_train2014_000000000042.jpg", "COCO_train2014_000000000042.jpg",
                           "train2014/000000000042.jpg", "000000000042.jpg", "42.png", "train2014/42.jpeg"}) {
    CAPTURE(name);
    const tests::TemporaryDirectory folder;
    folder.write(name, "");
    VqaFiles files{
        folder.write("q.json", questions_json(question_json(1, 42) + "," + question_json(2, 42))), {}, folder.path()};
    const VqaData data = read_vqa(files);
    REQUIRE(data.questions.size() == 2);
    CHECK(data.questions[1].image == folder.path() / name);
    CHECK(data.missing_images == 0);
    folder.write("q.json",
                 questions_json(question_json(1, 42) + "," + question_json(3, 7) + "," + question_json(4, 7)));
    CHECK(lacking(error_of([&] { read_vqa(files); }),
                  {"pictures that are not there: 1", "train2014/COCO_train2014_000000000007.jpg"}) == "");
    const VqaData rest = read_vqa(files, {.max_missing = 1});
    CHECK(rest.questions.size() == 1);
    CHECK(rest.missing_images == 1);
  }
}

}  // namespace tessera::vqa_files_test
