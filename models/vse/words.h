// VSE++'s vocabulary: whole words of the training captions, lower-cased, punctuation marks apart
// (data/text/basic_tokenizer.h; the published code has NLTK's tokenizer, which differs in contractions and
// abbreviations). A text is <start>, its words, <end>; a word that is not there is <unk>.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace tessera {

class VseWords {
 public:
  // The words of a list, by their ids: the first four are <pad>, <start>, <end> and <unk>, as published. Errors begin
  // with `origin`: other first words, an empty one, one that is there twice.
  VseWords(std::vector<std::string> words, const std::string& origin);
  // One a line.
  static VseWords from_file(const std::filesystem::path& file);
  // Those that were counted at least `least` times (published: 4), the most frequent first, equal ones by their bytes.
  static VseWords of_counts(const std::map<std::string, int64_t>& counts, int64_t least);
  // Adds a caption's words to the counts.
  static void count(std::string_view caption, std::map<std::string, int64_t>& counts);

  void write(const std::filesystem::path& file) const;
  const std::vector<std::string>& words() const { return words_; }
  int64_t size() const { return static_cast<int64_t>(words_.size()); }
  // With <start> and <end>. May be called by several threads at once.
  std::vector<int64_t> encode(std::string_view text) const;

 private:
  std::vector<std::string> words_;
  std::unordered_map<std::string, int64_t> ids_;
};

}  // namespace tessera
