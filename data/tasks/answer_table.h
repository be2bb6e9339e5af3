// The answers that a model of VQA chooses from, and what it is trained towards (ViLT, section 4.2, and its preparation
// of VQAv2).
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "data/tasks/vqa.h"

namespace tessera {

// Answers by their labels 0, 1, 2, …
class AnswerTable {
 public:
  AnswerTable() = default;
  // An answer that is there twice is an error.
  explicit AnswerTable(std::vector<std::string> answers);

  const std::vector<std::string>& answers() const { return answers_; }
  int64_t size() const { return static_cast<int64_t>(answers_.size()); }
  // The answer's label, compared as it is written; -1 if the table has none.
  int64_t find(std::string_view answer) const;

 private:
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  std::vector<std::string> answers_;
  std::unordered_map<std::string, int64_t, Hash, std::equal_to<>> labels_;
};

// How often the published table's answers are the majority's, at least.
inline constexpr int64_t kLeastAnswers = 9;

// Counts majority answers. The order in which they first come is that of the labels: officially the training
// annotations, then those of validation.
class AnswerCounts {
 public:
  struct Entry {
    std::string answer;
    int64_t count = 0;
  };

  void add(const VqaQuestion& question);
  void add(std::span<const VqaQuestion> questions);
  const std::vector<Entry>& entries() const { return entries_; }
  // Of the answers that were counted `least` times or more. An error if there is none.
  AnswerTable table(int64_t least = kLeastAnswers) const;

 private:
  std::vector<Entry> entries_;
  std::unordered_map<std::string, size_t> places_;
};

// Of an answer that so many people gave: 0, 0.3, 0.6, 0.9, and 1 from 4 on.
double soft_score(int64_t count);

struct SoftTarget {
  int64_t label = 0;
  double score = 0;  // above 0
};
// The question's answers that are in the table, in the order in which they first come. They are looked up as written,
// not normalised, though the table's entries are: so it is published. Empty: training and local evaluation leave the
// question out.
using SoftTargets = std::vector<SoftTarget>;
SoftTargets soft_targets(const AnswerTable& table, const VqaQuestion& question);

// The local score of an answer that a model chose: its own soft target, 0 if it is not among them. An estimate of the
// official accuracy alone (data/tasks/vqa_accuracy.h).
double local_score(const SoftTargets& targets, int64_t label);

}  // namespace tessera
