#include "data/text/code_points.h"

#include <utf8proc.h>

#include <algorithm>
#include <iterator>
#include <vector>

#include "data/text/unicode.h"
#include "tensor/error.h"

namespace tessera::unicode {
namespace {

struct Range {
  char32_t first, last;
};

// Letters of no case whose form has one (Other_Lowercase and Other_Uppercase), but those that are case-ignorable.
constexpr Range kCasedSigns[] = {{0xAA, 0xAA},       {0xBA, 0xBA},       {0x2160, 0x217F},  {0x24B6, 0x24E9},
                                 {0x1F130, 0x1F149}, {0x1F150, 0x1F169}, {0x1F170, 0x1F189}};
// Marks inside of words (Word_Break MidLetter, MidNumLet, Single_Quote).
constexpr Range kInsideWords[] = {{0x27, 0x27},     {0x2E, 0x2E},     {0x3A, 0x3A},     {0xB7, 0xB7},
                                  {0x387, 0x387},   {0x55F, 0x55F},   {0x5F4, 0x5F4},   {0x2018, 0x2019},
                                  {0x2024, 0x2024}, {0x2027, 0x2027}, {0xFE13, 0xFE13}, {0xFE52, 0xFE52},
                                  {0xFE55, 0xFE55}, {0xFF07, 0xFF07}, {0xFF0E, 0xFF0E}, {0xFF1A, 0xFF1A}};

template <size_t n>
bool in_one_of(const Range (&ranges)[n], char32_t c) {
  return std::any_of(std::begin(ranges), std::end(ranges),
                     [c](const Range& range) { return range.first <= c && c <= range.last; });
}

utf8proc_category_t category(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)); }

bool is_case_ignorable(char32_t c) {
  switch (category(c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK: return true;
    default: return in_one_of(kInsideWords, c);
  }
}

bool is_cased(char32_t c) {
  switch (category(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT: return true;
    default: return in_one_of(kCasedSigns, c);
  }
}

// Final_Sigma of the Unicode standard (section 3.13): a cased letter before, none behind, ignorable characters between.
bool ends_a_word(std::u32string_view text, size_t sigma) {
  size_t before = sigma;
  while (before > 0 && is_case_ignorable(text[before - 1])) --before;
  if (before == 0 || !is_cased(text[before - 1])) return false;
  size_t after = sigma + 1;
  while (after < text.size() && is_case_ignorable(text[after])) ++after;
  return after == text.size() || !is_cased(text[after]);
}

std::u32string normalised(std::u32string_view text, int options) {
  const auto decomposed = [&](std::vector<utf8proc_int32_t>& out) {
    utf8proc_ssize_t count = 0;
    int boundary = UTF8PROC_BOUNDCLASS_START;
    for (const char32_t c : text) {
      const auto free = static_cast<utf8proc_ssize_t>(out.size()) - count;
      const auto added = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), out.data() + count, free,
                                                 static_cast<utf8proc_option_t>(options), &boundary);
      check(added >= 0 && added <= free, "text: a character cannot be decomposed");
      count += added;
    }
    out.resize(static_cast<size_t>(count));
  };
  constexpr size_t kLongestDecomposition = 18;  // of one character (U+FDFA)
  std::vector<utf8proc_int32_t> points(text.size() * (options & UTF8PROC_COMPAT ? kLongestDecomposition : 4) + 1);
  decomposed(points);
  // utf8proc sorts marks only in its function for UTF-8; runs of them are short, or the sort is stable and n log n.
  const auto order = [](utf8proc_int32_t c) { return utf8proc_get_property(c)->combining_class; };
  for (size_t i = 0; i < points.size();) {
    size_t end = i;
    while (end < points.size() && order(points[end]) != 0) ++end;
    if (end > i + 1)
      std::stable_sort(points.begin() + static_cast<std::ptrdiff_t>(i),
                       points.begin() + static_cast<std::ptrdiff_t>(end),
                       [&](utf8proc_int32_t a, utf8proc_int32_t b) { return order(a) < order(b); });
    i = end + 1;
  }
  const utf8proc_ssize_t length = utf8proc_normalize_utf32(points.data(), static_cast<utf8proc_ssize_t>(points.size()),
                                                           static_cast<utf8proc_option_t>(options));
  check(length >= 0, "text: cannot be composed");
  return {points.begin(), points.begin() + length};
}

}  // namespace

std::u32string to_code_points(std::string_view utf8) {
  std::u32string text;
  text.reserve(utf8.size());
  for (size_t position = 0; position < utf8.size();) text.push_back(next_code_point(utf8, position));
  return text;
}

std::string to_utf8(std::u32string_view text) {
  std::string utf8;
  utf8.reserve(text.size());
  for (const char32_t c : text) append_utf8(utf8, c);
  return utf8;
}

bool is_letter(char32_t c) {
  if (c < 0x80) return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  const utf8proc_category_t found = category(c);
  return found >= UTF8PROC_CATEGORY_LU && found <= UTF8PROC_CATEGORY_LO;
}

bool is_number(char32_t c) {
  if (c < 0x80) return c >= '0' && c <= '9';
  const utf8proc_category_t found = category(c);
  return found >= UTF8PROC_CATEGORY_ND && found <= UTF8PROC_CATEGORY_NO;
}

bool is_decimal_digit(char32_t c) { return category(c) == UTF8PROC_CATEGORY_ND; }

bool is_white_space(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= '\t' && c <= '\r');
  if (c == 0x85) return true;
  const utf8proc_category_t found = category(c);
  return found >= UTF8PROC_CATEGORY_ZS && found <= UTF8PROC_CATEGORY_ZP;
}

bool is_python_space(char32_t c) { return (c >= 0x1C && c <= 0x1F) || is_white_space(c); }

std::u32string compose(std::u32string_view text) {
  // No character below U+0300 changes or joins another.
  if (std::all_of(text.begin(), text.end(), [](char32_t c) { return c < 0x300; })) return std::u32string(text);
  return normalised(text, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
}

std::u32string compose_compatibly(char32_t c) {
  return normalised(std::u32string_view(&c, 1), UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT);
}

char32_t upper_case(char32_t c) { return static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(c))); }

std::u32string lower_case_in_context(std::u32string_view text) {
  constexpr char32_t kSigma = 0x3A3, kDottedI = 0x130;
  std::u32string lower;
  lower.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    const char32_t c = text[i];
    if (c < 0x80)
      lower += c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
    else if (c == kSigma)
      lower += ends_a_word(text, i) ? U'\u03C2' : U'\u03C3';
    else if (c == kDottedI)
      lower += U"i\u0307";
    else
      lower += static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
  }
  return lower;
}

}  // namespace tessera::unicode
