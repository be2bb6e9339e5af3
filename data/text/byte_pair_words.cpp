#include "data/text/byte_pair_words.h"

#include <algorithm>
#include <optional>

#include "data/text/code_points.h"
#include "data/text/fix_text.h"
#include "data/text/html_entities.h"
#include "data/text/python_strings.h"
#include "data/text/unicode.h"
#include "tensor/error.h"

namespace tessera {
namespace {

using SpecialTexts = std::array<std::u32string, 2>;

enum class Kind { letter, number, blank, other };

Kind kind_of(char32_t c) {
  if (unicode::is_letter(c)) return Kind::letter;
  if (unicode::is_number(c)) return Kind::number;
  return unicode::is_white_space(c) ? Kind::blank : Kind::other;
}

template <class IsBlank>
std::u32string with_single_blanks(std::u32string_view text, const IsBlank& is_blank) {
  std::u32string out;
  out.reserve(text.size());
  for (const char32_t c : text) {
    if (!is_blank(c))
      out += c;
    else if (!out.empty() && out.back() != ' ')
      out += U' ';
  }
  if (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

std::u32string cleaned(std::string_view utf8, TextCleaning cleaning) {
  std::u32string text = python::decoded(utf8);
  if (cleaning == TextCleaning::original) text = fix_text(std::move(text));
  for (int i = 0; i < 2; ++i)
    if (text.find(U'&') != std::u32string::npos) text = unescape_html(text);
  return python::lower(with_single_blanks(text, python::is_space));
}

// `text` at `at` begins with `word`; with `long_s` also where it has ſ in the place of s.
bool begins_with(std::u32string_view text, size_t at, std::u32string_view word, bool long_s) {
  if (at + word.size() > text.size()) return false;
  for (size_t i = 0; i < word.size(); ++i)
    if (text[at + i] != word[i] && !(long_s && text[at + i] == U'ſ' && word[i] == 's')) return false;
  return true;
}

// Length of the contraction at `at`, or 0.
size_t contraction(std::u32string_view text, size_t at, bool long_s) {
  if (text[at] != '\'') return 0;
  for (const std::u32string_view word : {U"'s", U"'t", U"'re", U"'ve", U"'m", U"'ll", U"'d"})
    if (begins_with(text, at, word, long_s)) return word.size();
  return 0;
}

size_t end_of_run(std::u32string_view text, size_t at) {
  const Kind kind = kind_of(text[at]);
  size_t end = at + 1;
  if (kind == Kind::letter || kind == Kind::other)
    while (end < text.size() && kind_of(text[end]) == kind) ++end;
  return end;
}

// Which special token begins at `at`.
std::optional<int> special_at(std::u32string_view text, size_t at, const SpecialTexts& special, bool long_s) {
  for (int i = 0; i < 2; ++i)
    if (begins_with(text, at, special[static_cast<size_t>(i)], long_s)) return i;
  return std::nullopt;
}

class Splitter {
 public:
  Splitter(const SpecialTexts& special, bool of_transformers) : special_(special), of_transformers_(of_transformers) {}

  void split(std::u32string_view text, std::vector<BytePairWord>& words) const {
    for (size_t at = 0; at < text.size();) {
      if (const std::optional<int> found = special_at(text, at, special_, !of_transformers_)) {
        const std::u32string& token = special_[static_cast<size_t>(*found)];
        const std::u32string_view part = text.substr(at, token.size());
        at += token.size();
        if (of_transformers_)
          split_runs(part, words);
        else
          words.push_back({python::encoded(part), part == token ? *found : -1});
        continue;
      }
      const size_t length = contraction(text, at, !of_transformers_);
      const size_t end = length > 0 ? at + length : end_of_run(text, at);
      push_run(text, at, end, words);
      at = end;
    }
  }

 private:
  static void split_runs(std::u32string_view text, std::vector<BytePairWord>& words) {
    for (size_t at = 0; at < text.size();) {
      const size_t end = end_of_run(text, at);
      push_run(text, at, end, words);
      at = end;
    }
  }

  static void push_run(std::u32string_view text, size_t at, size_t end, std::vector<BytePairWord>& words) {
    if (kind_of(text[at]) != Kind::blank) words.push_back({python::encoded(text.substr(at, end - at))});
  }

  const SpecialTexts& special_;
  bool of_transformers_;
};

std::u32string normalised_by_transformers(std::u32string_view part) {
  std::u32string text = unicode::compose(part), lower;
  lower.reserve(text.size());
  for (const char32_t c : text) {
    if (c == 0x130)
      lower += U"i\u0307";
    else
      lower += unicode::lower_case(c);
  }
  return lower;
}

std::vector<BytePairWord> words_of_transformers(std::u32string_view text, const SpecialTexts& special) {
  const Splitter splitter(special, true);
  std::vector<BytePairWord> words;
  size_t part = 0;
  const auto end_part = [&](size_t end) {
    if (end > part) splitter.split(normalised_by_transformers(text.substr(part, end - part)), words);
  };
  for (size_t at = 0; at < text.size();) {
    const std::optional<int> found = special_at(text, at, special, false);
    if (!found) {
      ++at;
      continue;
    }
    end_part(at);
    const std::u32string& token = special[static_cast<size_t>(*found)];
    words.push_back({python::encoded(token), *found});
    part = at += token.size();
  }
  end_part(text.size());
  return words;
}

}  // namespace

std::vector<BytePairWord> byte_pair_words(std::string_view text, TextCleaning cleaning,
                                          const std::array<std::string, 2>& special) {
  const SpecialTexts texts = {python::decoded(special[0]), python::decoded(special[1])};
  check(!texts[0].empty() && !texts[1].empty(), "byte pairs: a special token is empty");
  if (cleaning == TextCleaning::transformers) return words_of_transformers(python::decoded(text), texts);
  std::vector<BytePairWord> words;
  Splitter(texts, false).split(cleaned(text, cleaning), words);
  return words;
}

std::string cleaned_text(std::string_view text, TextCleaning cleaning) {
  check(cleaning != TextCleaning::transformers, "byte pairs: transformers' clean-up is made of parts of a text");
  return python::encoded(cleaned(text, cleaning));
}

}  // namespace tessera
