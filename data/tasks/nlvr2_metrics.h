// Accuracy and consistency of NLVR2, as its official program computes them, and its files of predictions.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/tasks/nlvr2.h"

namespace tessera {

// Consistency: the share of sentences, each with one to four pairs of pictures, that were judged rightly of every pair.
// Identifiers of one sentence agree in split, set and sentence; the pair, their third part, is dropped.
struct Nlvr2Score {
  int64_t right = 0, rows = 0;
  int64_t consistent = 0, groups = 0;

  double accuracy() const { return rows == 0 ? 0 : static_cast<double>(right) / static_cast<double>(rows); }
  double consistency() const { return groups == 0 ? 0 : static_cast<double>(consistent) / static_cast<double>(groups); }
};

// What a model says: class 1 is True, and of equal logits class 0 is taken. NaN is an error.
bool nlvr2_says_true(double logit_of_false, double logit_of_true);

// What was said of each example, in their order.
Nlvr2Score nlvr2_score(std::span<const Nlvr2Example> examples, const std::vector<bool>& predictions);

using Nlvr2Predictions = std::map<std::string, bool, std::less<>>;  // by identifier
// The same by identifier: more predictions than examples are ignored, a missing one is an error that names it.
Nlvr2Score nlvr2_score(std::span<const Nlvr2Example> examples, const Nlvr2Predictions& predictions);

// Lines "identifier,prediction": True or False in any case, blanks around them are ignored, and so are further fields
// and blank lines; of repeated identifiers the last counts. Anything else is an error that names the line.
Nlvr2Predictions read_nlvr2_predictions(const std::filesystem::path& file);
Nlvr2Predictions parse_nlvr2_predictions(std::string_view lines, const std::filesystem::path& file);

}  // namespace tessera
