#include "data/text/byte_pair_trainer.h"

#include "data/text/byte_alphabet.h"
#include "data/text/byte_pair_files.h"
#include "data/text/pair_merger.h"
#include "tensor/error.h"

namespace tessera {
namespace {

constexpr size_t kFixedTokens = 512 + 2;

std::string join_symbols(const std::string& left, const std::string& right) { return left + right; }

std::vector<std::string> symbols_of(const std::string& word) {
  std::vector<std::string> symbols;
  for (const char byte : word) symbols.push_back(byte_characters()[static_cast<uint8_t>(byte)]);
  symbols.back() += kWordEnd;
  return symbols;
}

}  // namespace

void BytePairTrainer::add(std::string_view text) {
  for (const BytePairWord& word : byte_pair_words(text, options_.cleaning, {options_.start, options_.end}))
    if (word.special < 0) ++counts_[word.text];
}

BytePairVocabulary BytePairTrainer::train(size_t size, int64_t min_count, const ProgressCallback& progress) const {
  check(size >= kFixedTokens && size <= kFixedTokens + kMostMerges, "byte pairs: size is ", size, ", expected ",
        kFixedTokens, " (the bytes and two special tokens) to ", kFixedTokens + kMostMerges,
        ", which the published form of files holds");
  // Without merges: the bytes, start and end.
  BytePairVocabulary vocabulary = byte_pairs_from_merges("", "byte pairs", options_.start, options_.end);
  std::vector<std::string>& tokens = vocabulary.tokens;
  tokens.resize(tokens.size() - 2);
  std::vector<PairMerger::CountedWord> words;
  for (const auto& [word, count] : counts_) words.push_back({symbols_of(word), count});
  PairMerger merger(tokens, words, {&join_symbols, true});
  const auto count = [&] { return tokens.size() + vocabulary.merges.size() + 2; };
  const auto tell = [&](size_t of) {
    if (progress) progress(static_cast<int64_t>(count()), static_cast<int64_t>(of));
  };
  while (count() < size && merger.merge_one(min_count)) {
    vocabulary.merges.push_back(merger.last_pair());
    if (count() < size) tell(size);
  }
  tell(count());
  tokens = merger.tokens();
  tokens.push_back(options_.start);
  tokens.push_back(options_.end);
  return vocabulary;
}

}  // namespace tessera
