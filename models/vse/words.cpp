#include "models/vse/words.h"

#include <algorithm>

#include "data/text/basic_tokenizer.h"
#include "io/files.h"
#include "io/printable.h"
#include "tensor/error.h"

namespace tessera {
namespace {

const char* const kSpecialWords[] = {"<pad>", "<start>", "<end>", "<unk>"};
constexpr int64_t kStart = 1, kEnd = 2, kUnknown = 3;

}  // namespace

VseWords::VseWords(std::vector<std::string> words, const std::string& origin) : words_(std::move(words)) {
  for (size_t i = 0; i < std::size(kSpecialWords); ++i)
    check(i < words_.size() && words_[i] == kSpecialWords[i], origin, ": word ", i + 1, " is ",
          i < words_.size() ? printable(words_[i]) : "not there", ", expected ", kSpecialWords[i]);
  for (size_t i = 0; i < words_.size(); ++i) {
    check(!words_[i].empty(), origin, ": word ", i + 1, " is empty");
    check(ids_.emplace(words_[i], static_cast<int64_t>(i)).second, origin, ": ", printable(words_[i]),
          " is there twice");
  }
}

VseWords VseWords::from_file(const std::filesystem::path& file) {
  const std::vector<uint8_t> bytes = read_file(file);
  std::vector<std::string> words;
  std::string word;
  for (const uint8_t byte : bytes) {
    if (byte != '\n') {
      word += static_cast<char>(byte);
      continue;
    }
    words.push_back(std::move(word));
    word.clear();
  }
  if (!word.empty()) words.push_back(std::move(word));
  return {std::move(words), shown(file)};
}

VseWords VseWords::of_counts(const std::map<std::string, int64_t>& counts, int64_t least) {
  std::vector<std::pair<std::string, int64_t>> often;
  for (const auto& entry : counts)
    if (entry.second >= least) often.push_back(entry);
  std::stable_sort(often.begin(), often.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  std::vector<std::string> words(std::begin(kSpecialWords), std::end(kSpecialWords));
  for (auto& [word, times] : often) words.push_back(std::move(word));
  return {std::move(words), "the captions' vocabulary"};
}

void VseWords::count(std::string_view caption, std::map<std::string, int64_t>& counts) {
  for (const BasicWord& word : basic_words(caption)) ++counts[word.text];
}

void VseWords::write(const std::filesystem::path& file) const {
  std::string lines;
  for (const std::string& word : words_) lines += word + '\n';
  write_file_atomically(file, lines);
}

std::vector<int64_t> VseWords::encode(std::string_view text) const {
  std::vector<int64_t> out{kStart};
  for (const BasicWord& word : basic_words(text)) {
    const auto found = ids_.find(word.text);
    out.push_back(found == ids_.end() ? kUnknown : found->second);
  }
  out.push_back(kEnd);
  return out;
}

}  // namespace tessera
