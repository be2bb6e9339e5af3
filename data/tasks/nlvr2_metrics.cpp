#include "data/tasks/nlvr2_metrics.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "data/tasks/task_lines.h"
#include "io/printable.h"
#include "tensor/error.h"

namespace tessera {
namespace {

std::string_view without_blanks(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r";
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
  text.remove_suffix(text.size() - (text.find_last_not_of(kBlanks) + 1));
  return text;
}

bool truth_of_word(std::string_view word, const std::string& place) {
  std::string lower(word);
  for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
  check(lower == "true" || lower == "false", place, ": the prediction is ", printable(word),
        ", expected True or False");
  return lower == "true";
}

Nlvr2Predictions read_prediction_lines(const TextPieces& contents, const std::filesystem::path& file) {
  Nlvr2Predictions predictions;
  for_each_task_line(contents, "predictions: " + shown(file), /*max_left_out=*/0,
                     [&](const std::string& place, std::string_view line) {
                       const size_t comma = std::min(line.find(','), line.size());
                       const std::string_view identifier = without_blanks(line.substr(0, comma));
                       check(comma < line.size() && !identifier.empty(), place, " is ", printable(line),
                             ", expected identifier,prediction, as dev-850-0-1,True");
                       std::string_view word = line.substr(comma + 1);
                       word = without_blanks(word.substr(0, word.find(',')));
                       if (identifier == "identifier" && word == "prediction") return;
                       predictions.insert_or_assign(std::string(identifier), truth_of_word(word, place));
                     });
  return predictions;
}

}  // namespace

bool nlvr2_says_true(double logit_of_false, double logit_of_true) {
  check(!std::isnan(logit_of_false) && !std::isnan(logit_of_true), "NLVR2: a logit is NaN");
  return logit_of_true > logit_of_false;
}

Nlvr2Score nlvr2_score(std::span<const Nlvr2Example> examples, const std::vector<bool>& predictions) {
  check(examples.size() == predictions.size(), "NLVR2: ", predictions.size(), " predictions for ", examples.size(),
        " examples");
  Nlvr2Score score;
  std::unordered_map<std::string, bool> consistent;  // by sentence
  for (size_t i = 0; i < examples.size(); ++i) {
    const bool right = predictions[i] == examples[i].label;
    const auto [split, set, pair, sentence] = nlvr2_identifier_parts(examples[i].identifier);
    const auto group = consistent.emplace(text(split, '-', set, '-', sentence), true).first;
    group->second = group->second && right;
    score.right += right;
  }
  score.rows = static_cast<int64_t>(examples.size());
  score.groups = static_cast<int64_t>(consistent.size());
  for (const auto& [sentence, all_right] : consistent) score.consistent += all_right;
  return score;
}

Nlvr2Score nlvr2_score(std::span<const Nlvr2Example> examples, const Nlvr2Predictions& predictions) {
  std::vector<bool> said;
  said.reserve(examples.size());
  for (const Nlvr2Example& example : examples) {
    const auto found = predictions.find(example.identifier);
    check(found != predictions.end(), "NLVR2: no prediction for ", example.identifier);
    said.push_back(found->second);
  }
  return nlvr2_score(examples, said);
}

Nlvr2Predictions read_nlvr2_predictions(const std::filesystem::path& file) {
  return read_prediction_lines(file_pieces(file), file);
}

Nlvr2Predictions parse_nlvr2_predictions(std::string_view lines, const std::filesystem::path& file) {
  return read_prediction_lines(pieces_of(lines), file);
}

}  // namespace tessera
