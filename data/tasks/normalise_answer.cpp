#include "data/tasks/normalise_answer.h"

#include <algorithm>
#include <iterator>
#include <unordered_map>

#include "data/text/python_strings.h"

namespace tessera {
namespace {

#include "data/tasks/answer_words.inc"

constexpr int kMostPeriods = 32;

bool digit_at(std::u32string_view text, size_t i) { return i < text.size() && python::is_decimal(text[i]); }

std::u32string without_punctuation(std::u32string_view text) {
  bool joined = false;
  std::u32string beside_blanks;
  for (size_t i = 0; i < text.size(); ++i) {
    joined |= text[i] == U',' && i > 0 && digit_at(text, i - 1) && digit_at(text, i + 1);
    if ((i > 0 && text[i - 1] == U' ') || (i + 1 < text.size() && text[i + 1] == U' ')) beside_blanks += text[i];
  }
  std::u32string out;
  for (const char32_t c : text) {
    if (kPunctuation.find(c) == std::u32string_view::npos)
      out += c;
    else if (!joined && beside_blanks.find(c) == std::u32string::npos)
      out += U' ';
  }
  return out;
}

std::u32string without_periods(std::u32string_view text) {
  int left = kMostPeriods;
  std::u32string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == U'.' && left > 0 && !digit_at(text, i + 1))
      --left;
    else
      out += text[i];
  }
  return out;
}

std::u32string_view looked_up(const std::unordered_map<std::u32string_view, std::u32string_view>& table,
                              std::u32string_view word) {
  const auto found = table.find(word);
  return found == table.end() ? word : found->second;
}

}  // namespace

std::string normalise_answer(std::string_view answer) {
  const std::u32string text = python::lower(without_periods(without_punctuation(python::decoded(answer))));
  std::u32string out;
  for (std::u32string_view word : python::split(text)) {
    word = looked_up(kNumberWords, word);
    if (std::find(std::begin(kArticles), std::end(kArticles), word) != std::end(kArticles)) continue;
    if (!out.empty()) out += U' ';
    out += looked_up(kContractions, word);
  }
  return python::encoded(out);
}

std::string clean_answer(std::string_view answer) {
  std::u32string text = python::decoded(answer);
  for (char32_t& c : text)
    if (c == U'\n' || c == U'\t') c = U' ';
  return python::encoded(python::strip(text));
}

}  // namespace tessera
