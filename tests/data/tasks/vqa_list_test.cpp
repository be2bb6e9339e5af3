#include "data/tasks/vqa_list.h"

#include <doctest/doctest.h>

#include "data/tasks/answer_table.h"
#include "data/tasks/vqa_accuracy.h"
#include "tests/error_text.h"
#include "tests/temporary_directory.h"

namespace tessera::vqa_list_test {
namespace {

using tests::error_of;
using tests::lacking;

VqaList parsed(const std::string& contents, int64_t max_left_out = 0, const char* name = "rows.csv") {
  return parse_vqa_list(contents, name, "pictures", {.check_files = false, .max_left_out = max_left_out});
}

void check_first(const VqaList& list) {
  REQUIRE(list.splits.at("train").size() == 1);
  const VqaQuestion& first = list.splits.at("train")[0];
  CHECK(first.id == 0);
  CHECK(first.image == "pictures/street/1.jpg");
  CHECK(first.question == "How many \"cars\", say?");
  CHECK(first.table_answer == "2");
  REQUIRE(list.splits.at("val").size() == 1);
  CHECK(list.splits.at("val")[0].id == 1);
  CHECK(list.splits.at("val")[0].image == "pictures/2.png");
  CHECK(list.splits.at("val")[0].table_answer == "red car");
}

}  // namespace

TEST_CASE("VQA list: tables with a header, lines of JSON and arrays say the same") {
  check_first(
      parsed("\xef\xbb\xbfImage, text ,answer,split,more\r\n"
             "street/1.jpg,\"How many \"\"cars\"\", say?\",Two,training,x\r\n"
             "2.png,What is it?,A red car,dev,y\r\n"));
  check_first(
      parsed("split\tanswer\tquestion\tfile_name\ntrain\ttwo\tHow many \"cars\", say?\tstreet/1.jpg\n"
             "valid\tred car\tWhat?\t2.png"));
  const std::string first =
      R"({"image": "street/1.jpg", "question": "How many \"cars\", say?", "answer": 2, "split": "train", "x": [1]})";
  const std::string second = R"({"img": "2.png", "text": "What?", "answer": "the red car", "split": "val"})";
  check_first(parsed(first + "\n\n" + second + "\n"));
  check_first(parsed(" [" + first + "," + second + "]"));
}

TEST_CASE("VQA list: one answer counts as that of ten people, normalised unless nothing is left of it") {
  const VqaList list = parsed("image,question,answer\n1.png,q,Yes.\n2.png,q,A\n", 0, "train.csv");
  const std::vector<VqaQuestion>& questions = list.splits.at("train");
  AnswerCounts counts;
  counts.add(questions);
  const AnswerTable table = counts.table(1);
  CHECK(table.answers() == std::vector<std::string>{"yes", "A"});
  for (const VqaQuestion& question : questions) {
    CHECK(question.answers == std::vector<std::string>(10, question.table_answer));
    const SoftTargets targets = soft_targets(table, question);
    REQUIRE(targets.size() == 1);
    CHECK(targets[0].score == 1);
    CHECK(vqa_accuracy(question, question.table_answer) == 1);
  }
}

TEST_CASE("VQA list: the split is the row's, the file's, or some pictures are held out") {
  std::string rows = "image,question,answer\n";
  for (int i = 0; i < 40; ++i) rows += text(i, ".png,a?,x\n", i, ".png,b?,y\n");
  CHECK(parsed(rows, 0, "val_questions.csv").splits.at("val").size() == 80);
  const VqaList list = parsed(rows);
  CHECK(list.splits.at("train").size() == 72);
  CHECK(list.splits.at("val").size() == 4);  // two pictures with both questions each
  CHECK(list.splits.at("test").size() == 4);
  CHECK(list.splits.at("val")[0].image == list.splits.at("val")[1].image);
  VqaListOptions of_test{.check_files = false, .remaining_split = "test"};
  CHECK(parse_vqa_list(rows, "rows.csv", "pictures", of_test).splits.at("test").size() == 80);
  CHECK(parse_vqa_list(rows, "val_rows.csv", "pictures", of_test).splits.at("val").size() == 80);
  const VqaList mixed = parsed(R"({"image": "1.png", "question": "q", "answer": "x", "split": null})"
                               "\n"
                               R"({"image": "2.png", "question": "q", "answer": "x", "split": "restval"})");
  CHECK(mixed.splits.at("train").size() == 2);
}

TEST_CASE("VQA list: pictures are found by names without their extension, and by number") {
  const tests::TemporaryDirectory folder;
  folder.write("images/12.png", "");
  folder.write("images/a/b.jpeg", "");
  const auto file = folder.write("train.jsonl", R"({"image_id": 12, "question": "q", "answer": "x"}
{"image": "a/b", "question": "q", "answer": "x"}
{"image": "a/b.jpeg", "question": "q", "answer": "x"}
{"image": "13", "question": "q", "answer": "x"})");
  const std::filesystem::path images = folder.path() / "images";
  const VqaList list = read_vqa_list(file, images, {.max_left_out = 1});
  REQUIRE(list.splits.at("train").size() == 3);
  CHECK(list.splits.at("train")[0].image == images / "12.png");
  CHECK(list.splits.at("train")[1].image == images / "a/b.jpeg");
  CHECK(list.splits.at("train")[2].image == images / "a/b.jpeg");
  CHECK(list.left_out.count == 1);
  CHECK(lacking(error_of([&] { read_vqa_list(file, images); }), {"train.jsonl: line 4", "images/13 is not there"}) ==
        "");
}

TEST_CASE("VQA list: damaged rows are left out by name, and too many are an error") {
  const std::string rows =
      "image,question,answer,split\n1.png,q,x,train\n2.png,q,x\n\"3.png\"x,q,x,train\n../4.png,q,x,train\n"
      "5.png, ,x,train\n6.png,q,,train\n7.png,q,x,other\n8.png,\xff,x,train\n9.png,q,x,train\n";
  const VqaList list = parsed(rows, 7);
  CHECK(list.splits.at("train").size() == 2);
  CHECK(list.splits.at("train")[1].id == 8);
  REQUIRE(list.left_out.count == 7);
  const std::initializer_list<std::initializer_list<const char*>> reasons = {
      {"VQA list: rows.csv: line 3", "3 fields, the header 4"},
      {"line 4", "closing quote"},
      {"line 5", "../4.png"},
      {"line 6", "the question is empty"},
      {"line 7", "the answer is empty"},
      {"line 8", "the split is 'other'"},
      {"line 9", "no valid UTF-8"}};
  size_t i = 0;
  for (const auto& parts : reasons) CHECK(lacking(list.left_out.reasons[i++], parts) == "");
  CHECK(lacking(error_of([&] { parsed(rows, 6); }), {"7 of 9 lines cannot be used", "at most 6"}) == "");
  const auto json_error = [](const char* line) { return error_of([&] { parsed(line); }); };
  CHECK(lacking(json_error("{not json"), {"line 1", "not valid JSON"}) == "");
  CHECK(lacking(json_error(R"({"image": "1.png", "question": "q"})"), {"line 1", "no field names the answer"}) == "");
  CHECK(lacking(json_error(R"({"image": "1.png", "question": 3, "answer": "x"})"), {"'question' is a number"}) == "");
  CHECK(lacking(json_error(R"([3])"), {"entry 0", "not a JSON object"}) == "");
}

TEST_CASE("VQA list: a file that is no list is an error that says what one looks like") {
  CHECK(lacking(error_of([] { parsed("1.png,what is it?,dog\n"); }),
                {"rows.csv: the first line is '1.png", "no column for the picture", "image,question,answer"}) == "");
  CHECK(lacking(error_of([] { parsed("image,question\n1.png,q\n"); }), {"no column for the answer"}) == "");
  CHECK(lacking(error_of([] { parsed(" \n"); }), {"rows.csv"}) == "");
  CHECK(lacking(error_of([] { parsed("image,question,answer\n"); }), {"holds no question"}) == "");
  CHECK(lacking(error_of([] { parsed("image,question,answer\n1.png,,x\n", 5); }), {"no question that can be used"}) ==
        "");
}

}  // namespace tessera::vqa_list_test
