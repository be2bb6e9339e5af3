// Byte-level byte-pair encoding as CLIP uses it (Sennrich, Haddow, Birch, 2016, on bytes; Radford et al., "Learning
// Transferable Visual Models From Natural Language Supervision", 2021). A text is cleaned and cut into words
// (data/text/byte_pair_words.h); a word begins as its bytes, the last with "</w>", and the pair of neighbours that
// comes first in the list of merges is joined, all its occurrences at once, until no pair is in the list. No text is
// unknown.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "data/text/byte_pair_words.h"

namespace tessera {

// Tokens and merges in the characters of data/text/byte_alphabet.h. A token's id is its index.
struct BytePairVocabulary {
  std::vector<std::string> tokens;
  std::vector<std::pair<std::string, std::string>> merges;  // the first is joined first
};

class BytePair {
 public:
  struct Options {
    TextCleaning cleaning = TextCleaning::original;
    // The special tokens, in lower case; the published files of open_clip call them <start_of_text> and <end_of_text>.
    std::string start = "<|startoftext|>", end = "<|endoftext|>";
  };

  // Errors, which begin with `origin`: a token that is there twice or is no sequence of bytes; no token for a byte, in
  // or at the end of a word, or for a special token; a merge that is there twice, or whose parts or whole are no
  // tokens. More than 2^31 - 1 tokens.
  explicit BytePair(BytePairVocabulary vocabulary, Options options, const std::string& origin = "vocabulary");
  explicit BytePair(BytePairVocabulary vocabulary) : BytePair(std::move(vocabulary), Options{}) {}
  // Every form of data/text/byte_pair_files.h.
  static BytePair from_file(const std::filesystem::path& path, Options options);
  static BytePair from_file(const std::filesystem::path& path) { return from_file(path, Options{}); }

  // Without start and end. A special token that is written in the text is that token, see TextCleaning. May be called
  // by several threads at once.
  std::vector<int64_t> encode(std::string_view text) const;

  enum class TooLong {
    fail,  // an error
    cut,   // the first context_length - 2 ids stay
  };
  enum class Padding {
    none,
    zero,       // as the published code
    end_token,  // as transformers
  };
  // start, ids, end, padded to context_length (at least 2); the last id of a text that was cut is `end`, too.
  std::vector<int64_t> sequence(const std::vector<int64_t>& ids, size_t context_length, TooLong too_long,
                                Padding padding) const;

  // The bytes of the tokens as text, with a blank in the place of every "</w>"; bytes that are no UTF-8 become U+FFFD.
  std::string decode(const std::vector<int64_t>& ids) const;

  size_t size() const { return vocabulary_.tokens.size(); }
  const BytePairVocabulary& vocabulary() const { return vocabulary_; }
  const Options& options() const { return options_; }
  const std::string& token(int64_t id) const;
  int64_t id(std::string_view token) const;  // an unknown token is an error
  int64_t start_id() const { return start_; }
  int64_t end_id() const { return end_; }

 private:
  struct Merge {
    uint32_t rank;
    int32_t joined;
  };
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
  };
  using Index = std::unordered_map<std::string, int32_t, Hash, std::equal_to<>>;

  void index_tokens(const std::string& origin);
  void index_merges(const std::string& origin);
  void index_whole_words();
  const Merge* find_merge(int32_t left, int32_t right) const;
  // The symbols of a word's bytes, joined.
  std::vector<int32_t> joined_symbols(std::string_view bytes) const;

  BytePairVocabulary vocabulary_;
  Options options_;
  std::vector<std::string> bytes_;  // of each token
  Index ids_;
  Index whole_words_;                           // bytes of the words that end as one token: most words are found here
  std::array<int32_t, 256> inside_{}, last_{};  // the tokens of single bytes
  std::unordered_map<uint64_t, Merge> merges_;
  int64_t start_ = 0, end_ = 0;
};

}  // namespace tessera
