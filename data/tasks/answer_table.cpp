#include "data/tasks/answer_table.h"

#include <algorithm>

#include "io/printable.h"
#include "tensor/error.h"

namespace tessera {

AnswerTable::AnswerTable(std::vector<std::string> answers) : answers_(std::move(answers)) {
  labels_.reserve(answers_.size());
  for (size_t i = 0; i < answers_.size(); ++i) {
    const auto [earlier, added] = labels_.emplace(answers_[i], static_cast<int64_t>(i));
    check(added, "answer table: labels ", earlier->second, " and ", i, " are the same answer ", printable(answers_[i]));
  }
}

int64_t AnswerTable::find(std::string_view answer) const {
  const auto found = labels_.find(answer);
  return found == labels_.end() ? -1 : found->second;
}

void AnswerCounts::add(const VqaQuestion& question) {
  const auto [place, added] = places_.emplace(question.table_answer, entries_.size());
  if (added) entries_.push_back({question.table_answer, 0});
  ++entries_[place->second].count;
}

void AnswerCounts::add(std::span<const VqaQuestion> questions) {
  for (const VqaQuestion& question : questions) add(question);
}

AnswerTable AnswerCounts::table(int64_t least) const {
  std::vector<std::string> answers;
  int64_t most = 0;
  for (const Entry& entry : entries_) {
    most = std::max(most, entry.count);
    if (entry.count >= least) answers.push_back(entry.answer);
  }
  check(!answers.empty(), "answer table: no answer is the majority's of ", least, " questions or more; of the ",
        entries_.size(), " answers the most frequent is that of ", most, "; lower the threshold");
  return AnswerTable(std::move(answers));
}

double soft_score(int64_t count) {
  constexpr double kScores[] = {0, 0.3, 0.6, 0.9, 1};
  return kScores[std::clamp<int64_t>(count, 0, 4)];
}

SoftTargets soft_targets(const AnswerTable& table, const VqaQuestion& question) {
  struct Count {
    int64_t label, count;
  };
  std::vector<Count> counts;
  for (const std::string& answer : question.answers) {
    const int64_t label = table.find(answer);
    if (label < 0) continue;
    const auto known = std::find_if(counts.begin(), counts.end(), [&](const Count& one) { return one.label == label; });
    if (known == counts.end())
      counts.push_back({label, 1});
    else
      ++known->count;
  }
  SoftTargets targets;
  for (const Count& one : counts) targets.push_back({one.label, soft_score(one.count)});
  return targets;
}

double local_score(const SoftTargets& targets, int64_t label) {
  for (const SoftTarget& target : targets)
    if (target.label == label) return target.score;
  return 0;
}

}  // namespace tessera
