// data/vqa_answers: normalised answers, answer tables with their soft targets, and accuracies.
#include <cmath>
#include <map>

#include "data/tasks/normalise_answer.h"
#include "data/tasks/vqa_accuracy.h"
#include "data/tasks/vqa_files.h"
#include "io/files.h"
#include "tests/golden/answer_table.h"
#include "tests/golden/harness.h"
#include "tests/golden/json.h"

namespace tessera::golden {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

using Split = std::pair<std::string, std::vector<VqaQuestion>>;

void expect_text(const std::string& got, const json& expected, const std::string& what) {
  check(got == expected.get<std::string>(), what, " gave ", json(got).dump(), ", expected ", expected.dump());
}

// Sums of thirds in another order are off by an ulp or two.
void expect_near(double got, const json& expected, const std::string& what) {
  check(std::abs(got - expected.get<double>()) < 1e-12, what, " is ", got, ", expected ", expected.dump());
}

size_t compare_strings(const fs::path& file) {
  const std::vector<json> rows = read_json_lines(file);
  for (const json& row : rows) {
    const std::string written = row.at("text");
    expect_text(normalise_answer(written), row.at("vilt"), text("ViLT's preparation of ", row.at("text").dump()));
    expect_text(normalise_official_answer(written), row.contains("official") ? row.at("official") : row.at("vilt"),
                text("the official evaluation of ", row.at("text").dump()));
    expect_text(clean_answer(written), row.contains("clean") ? row.at("clean") : row.at("text"),
                text("cleaning ", row.at("text").dump()));
  }
  return rows.size();
}

// Every entry of the published lists, where the reference has them: words that the strings do not try.
void compare_tables(const fs::path& file) {
  if (!fs::exists(file)) return;
  const json tables = read_json(file);
  const auto lower = [](std::string word) {
    for (char& c : word) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
    return word;
  };
  for (const auto& [word, expected] : tables.at("contractions").items())
    expect_text(normalise_answer(word), word == lower(word) ? expected : json(lower(word)), "the contraction " + word);
  for (const auto& [word, expected] : tables.at("number_words").items())
    expect_text(normalise_answer(word), expected, "the number word " + word);
  for (const json& word : tables.at("articles"))
    expect_text(normalise_answer(word.get<std::string>()), "", "an article");
  for (const char mark : tables.at("punctuation").get<std::string>())
    expect_text(normalise_answer(text("x", mark, "y")), "x y", text("the mark ", mark));
}

void compare_table(const json& expected, const std::vector<Split>& splits) {
  const auto least = expected.at("least").get<int64_t>();
  AnswerCounts counts;
  for (const auto& [name, questions] : splits) counts.add(questions);
  const AnswerTable table = table_or_none(counts, least);
  json answers = json::array(), left_out = json::array(), targets = json::array(), dropped = json::array();
  for (const AnswerCounts::Entry& entry : counts.entries())
    (entry.count >= least ? answers : left_out).push_back({entry.answer, entry.count});
  check(static_cast<size_t>(table.size()) == answers.size(), "threshold ", least, ": ", table.size(), " labels, but ",
        answers.size(), " answers of this count");
  for (size_t i = 0; i < answers.size(); ++i)
    check(table.find(answers[i][0].get<std::string>()) == static_cast<int64_t>(i), "threshold ", least, ": label ", i);
  for (const auto& [name, questions] : splits)
    for (const VqaQuestion& question : questions) {
      json row = json::array();
      for (const auto& [label, score] : soft_targets(table, question)) row.push_back({label, score});
      if (row.empty())
        dropped.push_back(question.id);
      else
        targets.push_back({question.id, name, row});
    }
  const auto expect = [&](const char* field, const json& got) {
    const json& want = expected.at(field);
    check(got.size() == want.size(), "threshold ", least, ": ", got.size(), " ", field, ", expected ", want.size());
    for (size_t i = 0; i < got.size(); ++i)
      check(got[i] == want[i], "threshold ", least, ": ", field, "[", i, "] is ", got[i].dump(), ", expected ",
            want[i].dump());
  };
  expect("answers", answers);
  expect("left_out", left_out);
  expect("targets", targets);
  expect("dropped_questions", dropped);
}

void compare_means(const std::map<std::string, VqaAccuracy::Mean>& got, const json& expected, const std::string& what) {
  check(got.size() == expected.size(), what, ": ", got.size(), " types, expected ", expected.size());
  for (const auto& [type, mean] : got) {
    expect_near(mean.value(), expected.at(type).at(0), what + " " + type);
    check(mean.questions == expected.at(type).at(1), what, " ", type, ": ", mean.questions, " questions, expected ",
          expected.at(type).at(1).dump());
  }
}

// The questions of annotations that have no file of questions.
std::vector<VqaQuestion> of_annotations(const fs::path& file) {
  const json annotations = read_json(file);
  json questions = json::array();
  for (const json& one : annotations.at("annotations"))
    questions.push_back({{"question_id", one.at("question_id")}, {"image_id", one.at("image_id")}, {"question", "?"}});
  const auto bytes = read_file(file);
  return parse_vqa(json{{"questions", questions}}.dump(), {reinterpret_cast<const char*>(bytes.data()), bytes.size()},
                   {"questions", file, {}}, {.check_files = false})
      .questions;
}

size_t compare_accuracy(const fs::path& directory, const std::vector<VqaQuestion>& validation,
                        const AnswerTable& table) {
  const json expected = read_json(directory / "accuracy.json");
  const std::vector<VqaQuestion> edges = of_annotations(directory / "edge_annotations.json");
  std::map<int64_t, const VqaQuestion*> questions;
  for (const auto* all : {&validation, &edges})
    for (const VqaQuestion& question : *all) questions[question.id] = &question;
  std::map<int64_t, json> rows;
  for (const json& row : expected.at("questions")) rows[row.at(0)] = row;
  VqaAccuracy accuracy;
  const json results = read_json(directory / "results.json");
  for (const json& result : results) {
    const auto id = result.at("question_id").get<int64_t>();
    const VqaQuestion& question = *questions.at(id);
    const std::string answer = result.at("answer");
    const json& row = rows.at(id);
    const double got = accuracy.add(question, answer);
    expect_near(got, row.at(2), text("the accuracy of question ", id));
    check(std::abs(100 * got - row.at(3).get<double>()) < 0.0050001, "question ", id, ": ", 100 * got, " %");
    const SoftTargets targets = soft_targets(table, question);
    const bool is_validation = &question >= validation.data() && &question < validation.data() + validation.size();
    const bool dropped = targets.empty() || !is_validation;
    check(dropped == row.at(4).is_null(), "question ", id, ": its targets are dropped, or not, expected ", row.dump());
    if (!dropped) expect_near(local_score(targets, table.find(answer)), row.at(4), text("the local score of ", id));
  }
  expect_near(accuracy.overall().value(), expected.at("overall"), "the accuracy");
  compare_means(accuracy.of_answer_types(), expected.at("per_answer_type"), "answer type");
  compare_means(accuracy.of_question_types(), expected.at("per_question_type"), "question type");
  for (const auto& [count, value] : expected.at("count_to_accuracy").items()) {
    VqaQuestion question;
    for (int i = 0; i < 10; ++i) question.answers.push_back(i < std::stoi(count) ? "x" : "y");
    expect_near(vqa_accuracy(question, "x"), value, count + " equal answers of ten");
    check(soft_score(std::stoi(count)) == std::round(10 * value.get<double>()) / 10, "the soft score of ", count);
  }
  return results.size();
}

}  // namespace

Outcome run_vqa_answers(const fs::path& directory) {
  const size_t strings = compare_strings(directory / "strings.jsonl");
  compare_tables(directory / "tables.json");
  std::vector<Split> splits;
  for (const char* split : {"train", "val"})
    splits.emplace_back(split, read_vqa({directory / text(split, "_questions.json"),
                                         directory / text(split, "_annotations.json"), directory},
                                        {.check_files = false})
                                   .questions);
  const json tables = read_json(directory / "answer_table.json");
  for (const json& table : tables) compare_table(table, splits);
  std::vector<std::string> answers;
  for (const json& entry : tables.at(0).at("answers")) answers.push_back(entry.at(0));
  const size_t scored = compare_accuracy(directory, splits[1].second, AnswerTable(std::move(answers)));
  return {true, text(strings, " strings, ", tables.size(), " answer tables, ", scored, " accuracies")};
}

}  // namespace tessera::golden
