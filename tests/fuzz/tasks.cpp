// The files of downstream tasks.
#include <algorithm>

#include "data/tasks/answer_table.h"
#include "data/tasks/vqa_accuracy.h"
#include "data/tasks/vqa_files.h"
#include "tests/fuzz/targets.h"

namespace tessera::fuzz {

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

}  // namespace tessera::fuzz
