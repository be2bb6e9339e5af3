// The files of downstream tasks.
#include <algorithm>

#include "data/tasks/answer_table.h"
#include "data/tasks/nlvr2_metrics.h"
#include "data/tasks/vqa_accuracy.h"
#include "data/tasks/vqa_files.h"
#include "data/tasks/vqa_list.h"
#include "tests/fuzz/targets.h"

namespace tessera::fuzz {

void nlvr2(Bytes bytes) {
  Nlvr2Data data;
  const auto all = static_cast<int64_t>(bytes.size());
  if (!accepted([&] { data = parse_nlvr2(as_text(bytes), "fuzz", "/", {.check_files = false, .max_left_out = all}); }))
    return;
  std::vector<bool> said;
  for (const Nlvr2Example& example : data.examples) {
    ensure(!example.sentence.empty(), "an empty sentence");
    for (const std::string& image : example.images)
      ensure(image.starts_with("/") && image.find("/../") == std::string::npos,
             "a picture outside the folder: ", image);
    said.push_back(example.label);
  }
  const Nlvr2Score score = nlvr2_score(data.examples, said);
  ensure(score.right == score.rows && score.consistent == score.groups, "right answers that do not count");
}

void nlvr2_predictions(Bytes bytes) {
  Nlvr2Predictions said;
  if (!accepted([&] { said = parse_nlvr2_predictions(as_text(bytes), "fuzz"); })) return;
  for (const auto& [identifier, is_true] : said) {
    // Not in the first line, where a byte order mark is none of it.
    const std::string lines = "\n" + identifier + (is_true ? ",True" : ",False");
    ensure(parse_nlvr2_predictions(lines, "again") == Nlvr2Predictions{{identifier, is_true}}, identifier);
  }
}

// Questions, and behind a zero byte annotations.
void vqa(Bytes bytes) {
  const auto zero = std::find(bytes.begin(), bytes.end(), 0);
  const Bytes questions(bytes.begin(), zero), annotations(zero == bytes.end() ? zero : zero + 1, bytes.end());
  const VqaFiles files{"questions", zero == bytes.end() ? "" : "annotations", "/"};
  VqaData data;
  if (!accepted([&] { data = parse_vqa(as_text(questions), as_text(annotations), files, {.check_files = false}); }))
    return;
  AnswerCounts counts;
  counts.add(data.questions);
  const AnswerTable table = counts.table(1);
  for (const VqaQuestion& question : data.questions) {
    ensure(question.records.empty() || question.records.size() == question.answers.size(), "records without answers");
    for (const auto& [label, score] : soft_targets(table, question))
      ensure(label >= 0 && label < table.size() && score > 0 && score <= 1, "a target outside the table");
    if (files.annotations.empty()) continue;
    const double accuracy = vqa_accuracy(question, question.answers[0]);
    ensure(accuracy >= 0 && accuracy <= 1, "accuracy ", accuracy);
  }
}

void vqa_list(Bytes bytes) {
  VqaList list;
  const auto all = static_cast<int64_t>(bytes.size());
  if (!accepted(
          [&] { list = parse_vqa_list(as_text(bytes), "fuzz", "/", {.check_files = false, .max_left_out = all}); }))
    return;
  ensure(!list.splits.empty(), "no questions");
  AnswerCounts counts;
  for (const auto& [split, questions] : list.splits) counts.add(questions);
  const AnswerTable table = counts.table(1);
  for (const auto& [split, questions] : list.splits)
    for (const VqaQuestion& question : questions) {
      ensure(question.image.starts_with("/") && question.image.find("/../") == std::string::npos, question.image);
      const SoftTargets targets = soft_targets(table, question);
      ensure(targets.size() == 1 && targets[0].score == 1, "the answer is not in the table: ", question.table_answer);
    }
}

}  // namespace tessera::fuzz
