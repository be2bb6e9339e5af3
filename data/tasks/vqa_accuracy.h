// The accuracy of the official VQA evaluation (https://visualqa.org/evaluation.html), unrounded.
//
// Of one question: the mean over the answers that people gave of min(1, n / 3), where n is how many of the *others* are
// the predicted one; of ten people's answers 0, 1, 2, 3, 4 or more equal ones give 0, 0.3, 0.6, 0.9, 1. Answers are
// cleaned, and normalised only where the people's are then not all equal: ten times "yes" against "Yes" is 0. Fewer
// than ten answers are averaged over as many as there are.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "data/tasks/vqa.h"

namespace tessera {

// In [0, 1]. A question without answers is an error.
double vqa_accuracy(const VqaQuestion& question, std::string_view predicted);

// The mean over questions, and over those of each type.
class VqaAccuracy {
 public:
  struct Mean {
    double sum = 0;
    int64_t questions = 0;

    double value() const { return questions == 0 ? 0 : sum / static_cast<double>(questions); }
  };

  // Gives the accuracy of this one question.
  double add(const VqaQuestion& question, std::string_view predicted);

  const Mean& overall() const { return overall_; }
  const std::map<std::string, Mean>& of_answer_types() const { return of_answer_types_; }
  const std::map<std::string, Mean>& of_question_types() const { return of_question_types_; }

 private:
  Mean overall_;
  std::map<std::string, Mean> of_answer_types_, of_question_types_;
};

}  // namespace tessera
