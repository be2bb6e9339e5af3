#include "data/text/vocabulary.h"

#include <algorithm>
#include <array>
#include <queue>
#include <set>
#include <unordered_map>

#include "data/text/basic_tokenizer.h"
#include "data/text/unicode.h"
#include "data/text/wordpiece.h"
#include "io/files.h"
#include "tensor/error.h"

namespace tessera {
namespace {

using Symbol = uint32_t;  // index into Merger::tokens

uint64_t pair_key(Symbol left, Symbol right) { return uint64_t{left} << 32 | right; }
Symbol left_of(uint64_t pair) { return static_cast<Symbol>(pair >> 32); }
Symbol right_of(uint64_t pair) { return static_cast<Symbol>(pair); }

struct Word {
  std::vector<Symbol> symbols;
  int64_t count;
};

struct Occurrences {
  int64_t count = 0;            // over all words, with their frequencies
  int64_t announced = 0;        // count of the newest candidate in the queue
  std::vector<uint32_t> words;  // where the pair is or was; may hold a word twice
};

// The characters of a word as tokens: "a", "##b", "##c".
std::vector<std::string> character_tokens(const std::string& word) {
  std::vector<std::string> tokens;
  for (size_t position = 0; position < word.size();) {
    const size_t start = position;
    unicode::next_code_point(word, position);
    tokens.push_back((start == 0 ? "" : "##") + word.substr(start, position - start));
  }
  return tokens;
}

class Merger {
 public:
  explicit Merger(const std::map<std::string, int64_t>& counts) {
    std::set<std::string> characters;
    for (const auto& [word, count] : counts)
      for (std::string& token : character_tokens(word)) characters.insert(std::move(token));
    for (const std::string& token : characters) symbol_of(token);
    for (const auto& [word, count] : counts) {
      words_.push_back({{}, count});
      for (const std::string& token : character_tokens(word)) words_.back().symbols.push_back(symbol_of(token));
      count_pairs(words_.back().symbols, 0, 0, count, static_cast<uint32_t>(words_.size() - 1));
    }
    announce_changes();
  }

  const std::vector<std::string>& tokens() const { return tokens_; }

  // Joins the most frequent pair everywhere; false when none occurs min_count times. Two pairs may spell the same token
  // (a ##bc, ab ##c): then nothing is added to the tokens.
  bool merge_one(int64_t min_count) {
    while (!queue_.empty()) {
      const Candidate best = queue_.top();
      queue_.pop();
      const auto found = pairs_.find(best.pair);
      if (found == pairs_.end() || found->second.count != best.count) continue;  // a newer candidate is in the queue
      if (best.count < std::max<int64_t>(min_count, 1)) return false;
      merge(best.pair);
      return true;
    }
    return false;
  }

 private:
  struct Candidate {
    int64_t count;
    uint64_t pair;
  };
  // Whether `a` comes after `b`.
  struct Later {
    const std::vector<std::string>* tokens;
    bool operator()(const Candidate& a, const Candidate& b) const {
      if (a.count != b.count) return a.count < b.count;
      const int left = (*tokens)[left_of(a.pair)].compare((*tokens)[left_of(b.pair)]);
      if (left != 0) return left > 0;
      return (*tokens)[right_of(a.pair)] > (*tokens)[right_of(b.pair)];
    }
  };

  Symbol symbol_of(const std::string& token) {
    const auto [place, is_new] = symbols_.emplace(token, static_cast<Symbol>(tokens_.size()));
    if (is_new) tokens_.push_back(token);
    return place->second;
  }

  void change(uint64_t pair, int64_t by, uint32_t word) {
    Occurrences& occurrences = pairs_[pair];
    occurrences.count += by;
    if (by > 0) occurrences.words.push_back(word);
    changed_.push_back(pair);
  }

  // Every pair whose count has changed gets a candidate with the new count; the older ones are recognised by theirs.
  void announce_changes() {
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

  void merge(uint64_t pair) {
    const Symbol left = left_of(pair), right = right_of(pair);
    const Symbol joined = symbol_of(tokens_[left] + tokens_[right].substr(2));  // the right part begins with ##
    std::vector<uint32_t> where = std::move(pairs_[pair].words);
    pairs_[pair].words.clear();
    std::sort(where.begin(), where.end());
    where.erase(std::unique(where.begin(), where.end()), where.end());
    for (const uint32_t index : where) merge_in_word(index, left, right, joined);
    announce_changes();
  }

  // Joins the pair from left to right; only pairs between the first and the last place change.
  void merge_in_word(uint32_t index, Symbol left, Symbol right, Symbol joined) {
    Word& word = words_[index];
    const std::vector<Symbol> old = std::move(word.symbols);
    std::vector<Symbol>& now = word.symbols;
    now.clear();
    size_t same_before = old.size(), same_after = 0;
    for (size_t i = 0; i < old.size(); ++i) {
      const bool here = i + 1 < old.size() && old[i] == left && old[i + 1] == right;
      if (here) same_before = std::min(same_before, i);
      now.push_back(here ? joined : old[i]);
      if (here) ++i;
      same_after = here ? 0 : same_after + 1;
    }
    if (now.size() == old.size()) return;
    count_pairs(old, same_before, same_after, -word.count, index);
    count_pairs(now, same_before, same_after, word.count, index);
  }

  // All pairs but those within the first `before` and the last `after` symbols.
  void count_pairs(const std::vector<Symbol>& symbols, size_t before, size_t after, int64_t by, uint32_t word) {
    const size_t end = symbols.size() - after;
    for (size_t i = std::max<size_t>(before, 1); i <= end && i < symbols.size(); ++i)
      change(pair_key(symbols[i - 1], symbols[i]), by, word);
  }

  std::vector<std::string> tokens_;
  std::unordered_map<std::string, Symbol> symbols_;
  std::vector<Word> words_;
  std::unordered_map<uint64_t, Occurrences> pairs_;
  std::vector<uint64_t> changed_;
  std::priority_queue<Candidate, std::vector<Candidate>, Later> queue_{Later{&tokens_}};
};

}  // namespace

void VocabularyTrainer::add(std::string_view text) {
  for (const BasicWord& word : basic_words(text)) ++counts_[word.text];
}

void VocabularyTrainer::add_word(const std::string& normalised_word, int64_t count) {
  check(!normalised_word.empty(), "vocabulary: a word is empty");
  check(count > 0, "vocabulary: word '", normalised_word, "' has count ", count, ", expected more than 0");
  counts_[normalised_word] += count;
}

void VocabularyTrainer::count_words_once() {
  for (auto& [word, count] : counts_) count = 1;
}

std::vector<std::string> VocabularyTrainer::train(size_t size, int64_t min_count,
                                                  const ProgressCallback& progress) const {
  Merger merger(counts_);
  const size_t characters = merger.tokens().size();
  check(size >= kSpecialTokens.size() + characters, "vocabulary: size is ", size, ", expected at least ",
        kSpecialTokens.size() + characters, ": ", kSpecialTokens.size(), " special tokens and ", characters,
        " characters");
  const auto count = [&] { return merger.tokens().size() + kSpecialTokens.size(); };
  const auto tell = [&](size_t of) {
    if (progress) progress(static_cast<int64_t>(count()), static_cast<int64_t>(of));
  };
  while (count() < size && merger.merge_one(min_count))
    if (count() < size) tell(size);
  tell(count());
  std::vector<std::string> tokens(kSpecialTokens.begin(), kSpecialTokens.end());
  tokens.insert(tokens.end(), merger.tokens().begin(), merger.tokens().end());
  return tokens;
}

std::string vocabulary_text(const std::vector<std::string>& tokens) {
  std::string lines;
  for (const std::string& token : tokens) lines += token + '\n';
  return lines;
}

void write_vocabulary(const std::filesystem::path& path, const std::vector<std::string>& tokens) {
  write_file_atomically(path, vocabulary_text(tokens), Durability::power);
}

}  // namespace tessera
