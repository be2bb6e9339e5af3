#include "data/tasks/answer_table.h"

#include <doctest/doctest.h>

#include "tests/error_text.h"

namespace tessera::answer_table_test {
namespace {

VqaQuestion asked(const std::string& table_answer, std::vector<std::string> answers = {}) {
  VqaQuestion question;
  question.table_answer = table_answer;
  question.answers = std::move(answers);
  return question;
}

}  // namespace

TEST_CASE("Answer table: labels in order of first appearance, of answers that are frequent enough") {
  AnswerCounts counts;
  const std::vector<VqaQuestion> train = {asked("no"), asked("yes"), asked("2"), asked("yes")};
  const std::vector<VqaQuestion> validation = {asked("blue"), asked("2"), asked("blue"), asked("blue"), asked("no")};
  counts.add(train);
  counts.add(validation);
  CHECK(counts.table(2).answers() == std::vector<std::string>{"no", "yes", "2", "blue"});
  CHECK(counts.table(3).answers() == std::vector<std::string>{"blue"});
  const AnswerTable table = counts.table(2);
  CHECK(table.size() == 4);
  CHECK(table.find("2") == 2);
  CHECK(table.find("No") == -1);
  CHECK(table.find("") == -1);
  for (int i = 0; i < 5; ++i) counts.add(asked("no"));
  CHECK(tests::lacking(tests::error_of([&] { counts.table(); }),
                       {"9 questions or more", "4 answers", "is that of 7", "lower the threshold"}) == "");
  for (int i = 0; i < 2; ++i) counts.add(asked("no"));
  CHECK(counts.table().answers() == std::vector<std::string>{"no"});
}

TEST_CASE("Answer table: an empty answer is an answer, a repeated one is an error") {
  CHECK(AnswerTable({"yes", ""}).find("") == 1);
  CHECK(tests::lacking(tests::error_of([] { AnswerTable({"yes", "no", "yes"}); }), {"labels 0 and 2", "'yes'"}) == "");
}

TEST_CASE("Soft targets: by how many gave the answer as the table writes it, in the order of the answers") {
  const AnswerTable table({"yes", "no", "maybe", "dog"});
  const SoftTargets targets =
      soft_targets(table, asked("no", {"no", "dog", "Yes", "no", "maybe", "no", "dog", "a dog", "dog", "dog", "dog"}));
  REQUIRE(targets.size() == 3);
  CHECK(targets[0].label == 1);
  CHECK(targets[0].score == 0.9);
  CHECK(targets[1].label == 3);
  CHECK(targets[1].score == 1);
  CHECK(targets[2].label == 2);
  CHECK(targets[2].score == 0.3);
  CHECK(local_score(targets, 3) == 1);
  CHECK(local_score(targets, 0) == 0);
  CHECK(soft_targets(table, asked("dog", {"a dog", "Dog", "No"})).empty());
}

TEST_CASE("Soft scores: 0, 0.3, 0.6, 0.9, and 1 from four on") {
  CHECK(soft_score(0) == 0);
  CHECK(soft_score(1) == 0.3);
  CHECK(soft_score(2) == 0.6);
  CHECK(soft_score(3) == 0.9);
  CHECK(soft_score(4) == 1);
  CHECK(soft_score(10) == 1);
}

}  // namespace tessera::answer_table_test
