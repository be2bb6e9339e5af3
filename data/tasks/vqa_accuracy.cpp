#include "data/tasks/vqa_accuracy.h"

#include <algorithm>
#include <vector>

#include "data/tasks/normalise_answer.h"
#include "tensor/error.h"

namespace tessera {

double vqa_accuracy(const VqaQuestion& question, std::string_view predicted) {
  check(!question.answers.empty(), "VQA accuracy: question ", question.id,
        " has no answers to compare with; the splits test and test-dev are scored by the evaluation server alone");
  std::vector<std::string> given;
  for (const std::string& answer : question.answers) given.push_back(clean_answer(answer));
  std::string said = clean_answer(predicted);
  if (std::any_of(given.begin(), given.end(), [&](const std::string& answer) { return answer != given[0]; })) {
    for (std::string& answer : given) answer = normalise_answer(answer);
    said = normalise_answer(said);
  }
  // Published as "the others", which are those records that differ from this one in anything.
  const auto other = [&](size_t i, size_t j) {
    return given[i] != given[j] || (question.records.empty() ? i != j : question.records[i] != question.records[j]);
  };
  double sum = 0;
  for (size_t i = 0; i < given.size(); ++i) {
    int equal = 0;
    for (size_t j = 0; j < given.size(); ++j) equal += given[j] == said && other(i, j);
    sum += std::min(1.0, equal / 3.0);
  }
  return sum / static_cast<double>(given.size());
}

double VqaAccuracy::add(const VqaQuestion& question, std::string_view predicted) {
  const double accuracy = vqa_accuracy(question, predicted);
  for (Mean* mean : {&overall_, &of_answer_types_[question.answer_type], &of_question_types_[question.question_type]}) {
    mean->sum += accuracy;
    ++mean->questions;
  }
  return accuracy;
}

}  // namespace tessera
