#include "data/tasks/vqa_accuracy.h"

#include <doctest/doctest.h>

#include "tests/error_text.h"

namespace tessera::vqa_accuracy_test {
namespace {

VqaQuestion answered(std::vector<std::pair<const char*, int>> answers, const char* type = "other") {
  VqaQuestion question;
  question.id = 7;
  for (const auto& [answer, count] : answers) question.answers.insert(question.answers.end(), count, answer);
  question.answer_type = type;
  question.question_type = std::string("what ") + type;
  return question;
}

}  // namespace

TEST_CASE("VQA accuracy: the mean over ten choices of nine") {
  for (const auto& [equal, accuracy] : {std::pair{0, 0.0}, {1, 0.3}, {2, 0.6}, {3, 0.9}, {4, 1.0}, {9, 1.0}})
    CHECK(vqa_accuracy(answered({{"x", equal}, {"y", 10 - equal}}), "x") == doctest::Approx(accuracy));
  CHECK(vqa_accuracy(answered({{"x", 10}}), "x") == 1);
  CHECK(vqa_accuracy(answered({{"x", 2}, {"y", 1}}), "x") == doctest::Approx((1. / 3 + 1. / 3 + 2. / 3) / 3));
  CHECK(vqa_accuracy(answered({{"x", 1}}), "x") == 0);  // there is no other
}

TEST_CASE("VQA accuracy: answers are normalised only where people did not all write the same") {
  CHECK(vqa_accuracy(answered({{"yes", 10}}), "Yes") == 0);
  CHECK(vqa_accuracy(answered({{"yes", 10}}), " yes\n") == 1);
  CHECK(vqa_accuracy(answered({{"yes\n", 4}, {"\tyes", 6}}), "Yes") == 0);  // the same once they are clean
  CHECK(vqa_accuracy(answered({{"yes", 9}, {"no", 1}}), "Yes.") == 1);
  CHECK(vqa_accuracy(answered({{"a dog", 1}, {"dog", 1}, {"The dog", 1}, {"cat", 7}}), "Dog") == doctest::Approx(0.9));
}

TEST_CASE("VQA accuracy: records that are equal in everything leave each other out") {
  VqaQuestion question = answered({{"x", 4}, {"y", 6}});
  question.records.assign(10, 0);
  CHECK(vqa_accuracy(question, "x") == doctest::Approx(0.6));
  question.records[1] = 1;  // of the four one differs: of itself the three others are seen, of those it alone
  CHECK(vqa_accuracy(question, "x") == doctest::Approx((6 + 1 + 3. / 3) / 10));
}

TEST_CASE("VQA accuracy: means over all questions and by type") {
  VqaAccuracy accuracy;
  CHECK(accuracy.overall().value() == 0);
  CHECK(accuracy.add(answered({{"x", 1}, {"y", 9}}, "other"), "x") == doctest::Approx(0.3));
  accuracy.add(answered({{"2", 10}}, "number"), "2");
  accuracy.add(answered({{"x", 2}, {"y", 8}}, "other"), "x");
  CHECK(accuracy.overall().questions == 3);
  CHECK(accuracy.overall().value() == doctest::Approx(1.9 / 3));
  CHECK(accuracy.of_answer_types().at("other").value() == doctest::Approx(0.45));
  CHECK(accuracy.of_answer_types().at("other").questions == 2);
  CHECK(accuracy.of_question_types().at("what number").value() == 1);
  CHECK(tests::lacking(tests::error_of([] { vqa_accuracy(answered({}), "x"); }),
                       {"question 7 has no answers", "evaluation server"}) == "");
}

}  // namespace tessera::vqa_accuracy_test
