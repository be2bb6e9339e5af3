#include "data/text/vocabulary.h"

#include <set>

#include "data/text/basic_tokenizer.h"
#include "data/text/pair_merger.h"
#include "data/text/unicode.h"
#include "data/text/wordpiece.h"
#include "io/files.h"
#include "tensor/error.h"

namespace tessera {
namespace {

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

// The right part begins with ##.
std::string join_pieces(const std::string& left, const std::string& right) { return left + right.substr(2); }

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
  std::set<std::string> alphabet;
  std::vector<PairMerger::CountedWord> words;
  for (const auto& [word, occurrences] : counts_) {
    words.push_back({character_tokens(word), occurrences});
    alphabet.insert(words.back().tokens.begin(), words.back().tokens.end());
  }
  PairMerger merger({alphabet.begin(), alphabet.end()}, words, {&join_pieces, false});
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
