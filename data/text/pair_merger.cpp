#include "data/text/pair_merger.h"

#include <algorithm>

#include "tensor/error.h"

namespace tessera {

PairMerger::PairMerger(const std::vector<std::string>& first, const std::vector<CountedWord>& words, const Rules& rules)
    : rules_(rules) {
  for (const std::string& token : first) symbol_of(token);
  for (const CountedWord& word : words) {
    words_.push_back({{}, word.count});
    for (const std::string& token : word.tokens) {
      words_.back().symbols.push_back(symbol_of(token));
      check(tokens_.size() <= first.size(), "vocabulary: token '", token, "' of a word is not among the first tokens");
    }
    count_pairs(words_.back().symbols, 0, 0, word.count, static_cast<uint32_t>(words_.size() - 1));
  }
  announce_changes();
}

std::pair<std::string, std::string> PairMerger::last_pair() const {
  return {tokens_[left_of(last_)], tokens_[right_of(last_)]};
}

bool PairMerger::merge_one(int64_t min_count) {
  while (!queue_.empty()) {
    const Candidate best = queue_.top();
    queue_.pop();
    const auto found = pairs_.find(best.pair);
    if (found == pairs_.end() || found->second.count != best.count) continue;  // a newer candidate is in the queue
    if (best.count < std::max<int64_t>(min_count, 1)) return false;
    if (rules_.one_pair_per_token && symbols_.contains(joined(best.pair))) continue;
    merge(best.pair);
    last_ = best.pair;
    return true;
  }
  return false;
}

bool PairMerger::Later::operator()(const Candidate& a, const Candidate& b) const {
  if (a.count != b.count) return a.count < b.count;
  const int left = (*tokens)[left_of(a.pair)].compare((*tokens)[left_of(b.pair)]);
  if (left != 0) return left > 0;
  return (*tokens)[right_of(a.pair)] > (*tokens)[right_of(b.pair)];
}

std::string PairMerger::joined(uint64_t pair) const {
  return rules_.join(tokens_[left_of(pair)], tokens_[right_of(pair)]);
}

PairMerger::Symbol PairMerger::symbol_of(const std::string& token) {
  const auto [place, is_new] = symbols_.emplace(token, static_cast<Symbol>(tokens_.size()));
  if (is_new) tokens_.push_back(token);
  return place->second;
}

void PairMerger::change(uint64_t pair, int64_t by, uint32_t word) {
  Occurrences& occurrences = pairs_[pair];
  occurrences.count += by;
  if (by > 0) occurrences.words.push_back(word);
  changed_.push_back(pair);
}

// Every pair whose count has changed gets a candidate with the new count; the older ones are recognised by theirs.
void PairMerger::announce_changes() {
  std::sort(changed_.begin(), changed_.end());
  changed_.erase(std::unique(changed_.begin(), changed_.end()), changed_.end());
  for (const uint64_t pair : changed_) {
    const auto found = pairs_.find(pair);
    if (found == pairs_.end()) continue;
    Occurrences& occurrences = found->second;
    if (occurrences.count == 0) {
      pairs_.erase(found);
    } else if (occurrences.count != occurrences.announced) {
      occurrences.announced = occurrences.count;
      queue_.push({occurrences.count, pair});
    }
  }
  changed_.clear();
}

void PairMerger::merge(uint64_t pair) {
  const Symbol left = left_of(pair), right = right_of(pair);
  const Symbol token = symbol_of(joined(pair));
  std::vector<uint32_t> where = std::move(pairs_[pair].words);
  pairs_[pair].words.clear();
  std::sort(where.begin(), where.end());
  where.erase(std::unique(where.begin(), where.end()), where.end());
  for (const uint32_t index : where) merge_in_word(index, left, right, token);
  announce_changes();
}

// Joins the pair from left to right; only pairs between the first and the last place change.
void PairMerger::merge_in_word(uint32_t index, Symbol left, Symbol right, Symbol token) {
  Word& word = words_[index];
  const std::vector<Symbol> old = std::move(word.symbols);
  std::vector<Symbol>& now = word.symbols;
  now.clear();
  size_t same_before = old.size(), same_after = 0;
  for (size_t i = 0; i < old.size(); ++i) {
    const bool here = i + 1 < old.size() && old[i] == left && old[i + 1] == right;
    if (here) same_before = std::min(same_before, i);
    now.push_back(here ? token : old[i]);
    if (here) ++i;
    same_after = here ? 0 : same_after + 1;
  }
  if (now.size() == old.size()) return;
  count_pairs(old, same_before, same_after, -word.count, index);
  count_pairs(now, same_before, same_after, word.count, index);
}

// All pairs but those within the first `before` and the last `after` symbols.
void PairMerger::count_pairs(const std::vector<Symbol>& symbols, size_t before, size_t after, int64_t by,
                             uint32_t word) {
  const size_t end = symbols.size() - after;
  for (size_t i = std::max<size_t>(before, 1); i <= end && i < symbols.size(); ++i)
    change(pair_key(symbols[i - 1], symbols[i]), by, word);
}

}  // namespace tessera
