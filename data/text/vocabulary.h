// Learns a WordPiece vocabulary from text, so that none needs to be downloaded.
//
// Words (of the basic tokenisation) start as single characters, all but the first marked with "##". Again and again the
// adjacent pair that occurs most often, counted over all words with their frequencies, becomes a new token (Sennrich,
// Haddow, Birch, "Neural machine translation of rare words with subword units", 2016; Hugging Face's WordPiece trainer
// does the same). Of pairs that occur equally often the one comes first whose left part, then whose right part, is the
// smaller string of bytes: the result depends on the words and their counts alone.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "data/progress.h"

namespace tessera {

class VocabularyTrainer {
 public:
  // Counts the words of a text.
  void add(std::string_view text);
  void add_word(const std::string& normalised_word, int64_t count = 1);
  // Sets the count of every word added so far to one, however often it occurred: pieces that many words share are found
  // first, and the result does not hang on which of several equally usual words a sample of text happens to hold more
  // often. For small closed vocabularies.
  void count_words_once();
  // Normalised words and how often they occurred.
  const std::map<std::string, int64_t>& counts() const { return counts_; }

  // The tokens: [PAD], [UNK], [CLS], [SEP], [MASK], then the characters in byte order, then the merged tokens in the
  // order in which they were found. Exactly `size` of them, or fewer when no pair is left that occurs at least
  // `min_count` times. Error: `size` is less than the special tokens and characters need.
  std::vector<std::string> train(size_t size, int64_t min_count = 1, const ProgressCallback& progress = {}) const;

 private:
  std::map<std::string, int64_t> counts_;
};

// One token a line.
std::string vocabulary_text(const std::vector<std::string>& tokens);
// Writes vocab.txt, one token a line; no reader meets half a file.
void write_vocabulary(const std::filesystem::path& path, const std::vector<std::string>& tokens);

}  // namespace tessera
