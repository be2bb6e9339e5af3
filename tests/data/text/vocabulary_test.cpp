#include "data/text/vocabulary.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "data/text/wordpiece.h"
#include "tensor/error.h"
#include "tensor/philox.h"

namespace tessera::vocabulary_test {
namespace {

using doctest::Contains;
using Strings = std::vector<std::string>;

Strings without_specials(const Strings& tokens) { return Strings(tokens.begin() + 5, tokens.end()); }

// The definition, recounted from nothing for every merge.
Strings train_naively(const std::map<std::string, int64_t>& counts, size_t size) {
  std::vector<std::pair<Strings, int64_t>> words;
  std::set<std::string> characters;
  for (const auto& [word, count] : counts) {
    words.push_back({{}, count});
    for (size_t i = 0; i < word.size(); ++i) {  // ASCII words only
      words.back().first.push_back((i ? "##" : "") + word.substr(i, 1));
      characters.insert(words.back().first.back());
    }
  }
  Strings tokens(characters.begin(), characters.end());
  while (tokens.size() + 5 < size) {
    std::map<std::pair<std::string, std::string>, int64_t> pairs;
    for (const auto& [symbols, count] : words)
      for (size_t i = 1; i < symbols.size(); ++i) pairs[{symbols[i - 1], symbols[i]}] += count;
    if (pairs.empty()) break;
    // The first of the largest in the order of (left, right).
    const auto best = std::max_element(pairs.begin(), pairs.end(), [](const auto& a, const auto& b) {
                        return a.second < b.second;
                      })->first;
    const std::string joined = best.first + best.second.substr(2);
    for (auto& [symbols, count] : words)
      for (size_t i = 1; i < symbols.size(); ++i)
        if (symbols[i - 1] == best.first && symbols[i] == best.second) {
          symbols[i - 1] = joined;
          symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(i));
        }
    if (std::find(tokens.begin(), tokens.end(), joined) == tokens.end()) tokens.push_back(joined);
  }
  return tokens;
}

}  // namespace

TEST_CASE("vocabulary: merges by frequency, smaller strings first among equals") {
  VocabularyTrainer trainer;
  trainer.add("Low low LOW lower. Lower");
  CHECK(trainer.counts() == std::map<std::string, int64_t>{{".", 1}, {"low", 3}, {"lower", 2}});
  const Strings tokens = trainer.train(100);
  CHECK(Strings(tokens.begin(), tokens.begin() + 5) == Strings{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"});
  // ##o ##w and l ##o both occur five times, then ##ow is gone into low; ##e ##r, low ##er: twice each.
  CHECK(without_specials(tokens) == Strings{"##e", "##o", "##r", "##w", ".", "l", "##ow", "low", "##er", "lower"});
}

TEST_CASE("vocabulary: size and min_count") {
  VocabularyTrainer trainer;
  trainer.add("low low low lower lower");
  CHECK(trainer.train(11).size() == 11);
  CHECK(trainer.train(11).back() == "##ow");
  CHECK(without_specials(trainer.train(100, 3)) == Strings{"##e", "##o", "##r", "##w", "l", "##ow", "low"});
  CHECK(trainer.train(10).size() == 10);
  CHECK_THROWS_WITH_AS(trainer.train(9), Contains("size is 9, expected at least 10: 5 special tokens and 5 characters"),
                       Error);
  CHECK(VocabularyTrainer().train(30000).size() == 5);
}

TEST_CASE("vocabulary: repeated characters and tokens that two pairs spell") {
  VocabularyTrainer trainer;
  trainer.add_word("aaaa", 3);
  trainer.add_word("baaaaaab", 2);
  CHECK(without_specials(trainer.train(40)) == train_naively(trainer.counts(), 40));
  // abc by way of a ##bc in one word and of ab ##c in the other.
  VocabularyTrainer twice;
  for (const auto& [word, count] : std::map<std::string, int64_t>{{"abc", 4}, {"xbc", 5}, {"ab", 1}, {"yabcab", 3}})
    twice.add_word(word, count);
  CHECK(without_specials(twice.train(60)) == train_naively(twice.counts(), 60));
}

TEST_CASE("vocabulary: equals the recounted definition on random words") {
  for (int round = 0; round < 20; ++round) {
    Random random(11, round);
    VocabularyTrainer trainer;
    for (int i = 0; i < 30; ++i) {
      std::string word;
      for (uint64_t n = 1 + random.below(9); n > 0; --n) word += static_cast<char>('a' + random.below(3));
      trainer.add_word(word, 1 + static_cast<int64_t>(random.below(4)));
    }
    for (const size_t size : {20, 60, 400})
      CHECK(without_specials(trainer.train(size)) == train_naively(trainer.counts(), size));
  }
}

TEST_CASE("vocabulary: no word of the corpus is unknown, whatever its script") {
  VocabularyTrainer trainer;
  trainer.add("Ein Café, 赤い 각 ΣΑΣ 👍🏽");
  const Wordpiece wordpiece(trainer.train(40));
  for (const int64_t id : wordpiece.encode("EIN cafe 赤い 각 σασ 👍🏽").ids) CHECK(id != wordpiece.unk_id());
}

TEST_CASE("vocabulary: add_word refuses nonsense") {
  VocabularyTrainer trainer;
  CHECK_THROWS_WITH_AS(trainer.add_word(""), Contains("a word is empty"), Error);
  CHECK_THROWS_WITH_AS(trainer.add_word("a", 0), Contains("word 'a' has count 0"), Error);
}

TEST_CASE("vocabulary: written and read again") {
  VocabularyTrainer trainer;
  trainer.add("red cats, reddish caté");
  const Strings tokens = trainer.train(30);
  const auto path = std::filesystem::temp_directory_path() / text("tessera-vocabulary-", ::getpid(), ".txt");
  write_vocabulary(path, tokens);
  CHECK(Wordpiece::from_file(path).tokens() == tokens);
  std::filesystem::remove(path);
  CHECK_THROWS_WITH_AS(write_vocabulary("/nowhere/vocab.txt", tokens), Contains("/nowhere/vocab.txt"), Error);
}

}  // namespace tessera::vocabulary_test
