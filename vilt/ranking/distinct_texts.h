// Texts that occur several times are scored once: it saves their pairs, and equal texts have equal scores, to the bit.
// Computed twice, in batches of their own, they would differ by rounding, and a rule for ties would find none.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "vilt/ranking/pair.h"

namespace tessera {

class DistinctTexts {
 public:
  // Keeps of `ids` the first of each, in their order.
  explicit DistinctTexts(std::vector<std::vector<int64_t>>& ids) {
    std::map<std::vector<int64_t>, size_t> known;
    for (size_t t = 0; t < ids.size(); ++t) {
      const auto [entry, is_new] = known.try_emplace(ids[t], members_.size());
      if (is_new) members_.emplace_back();
      members_[entry->second].push_back(static_cast<int64_t>(t));
      of_text_.push_back(static_cast<int64_t>(entry->second));
    }
    for (size_t d = 0; d < members_.size(); ++d) ids[d] = ids[static_cast<size_t>(members_[d][0])];
    ids.resize(members_.size());
  }

  // Texts, each by the number of its distinct one, ascending and once.
  std::vector<int64_t> distinct(const std::vector<int64_t>& texts) const {
    std::vector<int64_t> out;
    for (const int64_t text : texts) out.push_back(of_text_[static_cast<size_t>(text)]);
    std::ranges::sort(out);
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
  }
  // A row of scores: NaN unless all have theirs.
  std::vector<float> distinct(const std::vector<float>& row) const {
    std::vector<float> out;
    for (const auto& members : members_) {
      out.push_back(row[static_cast<size_t>(members[0])]);
      for (const int64_t text : members)
        if (std::isnan(row[static_cast<size_t>(text)])) out.back() = NAN;
    }
    return out;
  }
  // Calls put(pairs, scores) with every text that one of the pairs stands for.
  template <class Put>
  void put(std::span<const Pair> pairs, std::span<const double> scores, const Put& put) const {
    std::vector<Pair> all;
    std::vector<double> values;
    for (size_t i = 0; i < pairs.size(); ++i)
      for (const int64_t text : members_[static_cast<size_t>(pairs[i].text)]) {
        all.push_back({pairs[i].picture, text});
        values.push_back(scores[i]);
      }
    put(std::span<const Pair>(all), std::span<const double>(values));
  }

 private:
  std::vector<std::vector<int64_t>> members_;  // of each distinct one
  std::vector<int64_t> of_text_;
};

}  // namespace tessera
