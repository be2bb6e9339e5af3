// The heart of the trainers of vocabularies: words begin as short tokens, and again and again the adjacent pair that
// occurs most often, counted over all words with their frequencies, is joined everywhere. Internal to data/text.
#pragma once

#include <cstdint>
#include <queue>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace tessera {

class PairMerger {
 public:
  struct Rules {
    std::string (*join)(const std::string& left, const std::string& right);
    // Whether a pair is left alone whose token is there already: two pairs may spell the same (a bc, ab c).
    bool one_pair_per_token;
  };
  struct CountedWord {
    std::vector<std::string> tokens;
    int64_t count;
  };

  // `first`: the tokens that come before all others, in this order; they have to hold those of the words.
  PairMerger(const std::vector<std::string>& first, const std::vector<CountedWord>& words, const Rules& rules);
  PairMerger(const PairMerger&) = delete;
  PairMerger& operator=(const PairMerger&) = delete;

  // `first`, then what was joined in the order in which it was found, each token once.
  const std::vector<std::string>& tokens() const { return tokens_; }

  // Joins the most frequent pair; of those that occur equally often the one whose left part, then whose right part, is
  // the smaller string of bytes. False when none occurs min_count times.
  bool merge_one(int64_t min_count);
  // The pair that was joined last.
  std::pair<std::string, std::string> last_pair() const;

 private:
  using Symbol = uint32_t;  // index into tokens_

  struct Word {
    std::vector<Symbol> symbols;
    int64_t count;
  };
  struct Occurrences {
    int64_t count = 0;            // over all words, with their frequencies
    int64_t announced = 0;        // count of the newest candidate in the queue
    std::vector<uint32_t> words;  // where the pair is or was; may hold a word twice
  };
  struct Candidate {
    int64_t count;
    uint64_t pair;
  };
  // Whether `a` comes after `b`.
  struct Later {
    const std::vector<std::string>* tokens;
    bool operator()(const Candidate& a, const Candidate& b) const;
  };

  static uint64_t pair_key(Symbol left, Symbol right) { return uint64_t{left} << 32 | right; }
  static Symbol left_of(uint64_t pair) { return static_cast<Symbol>(pair >> 32); }
  static Symbol right_of(uint64_t pair) { return static_cast<Symbol>(pair); }

  Symbol symbol_of(const std::string& token);
  std::string joined(uint64_t pair) const;
  void change(uint64_t pair, int64_t by, uint32_t word);
  void announce_changes();
  void merge(uint64_t pair);
  void merge_in_word(uint32_t index, Symbol left, Symbol right, Symbol token);
  void count_pairs(const std::vector<Symbol>& symbols, size_t before, size_t after, int64_t by, uint32_t word);

  Rules rules_;
  uint64_t last_ = 0;
  std::vector<std::string> tokens_;
  std::unordered_map<std::string, Symbol> symbols_;
  std::vector<Word> words_;
  std::unordered_map<uint64_t, Occurrences> pairs_;
  std::vector<uint64_t> changed_;
  std::priority_queue<Candidate, std::vector<Candidate>, Later> queue_{Later{&tokens_}};
};

}  // namespace tessera
