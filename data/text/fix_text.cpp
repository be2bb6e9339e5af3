#include "data/text/fix_text.h"

#include <algorithm>
#include <string_view>

#include "data/text/code_points.h"
#include "data/text/html_entities.h"
#include "data/text/mojibake.h"
#include "data/text/python_strings.h"

namespace tessera {
namespace {

constexpr size_t kMostLineCharacters = 1'000'000;

struct Letters {
  char32_t ligature;
  std::u32string_view letters;
};
constexpr Letters kLigatures[] = {
    {U'Ĳ', U"IJ"},  {U'ĳ', U"ij"},  {U'ŉ', U"ʼn"}, {U'Ǆ', U"DŽ"}, {U'ǅ', U"Dž"}, {U'ǆ', U"dž"},
    {U'Ǉ', U"LJ"},  {U'ǈ', U"Lj"},  {U'ǉ', U"lj"}, {U'Ǌ', U"NJ"}, {U'ǋ', U"Nj"}, {U'ǌ', U"nj"},
    {U'Ǳ', U"DZ"},  {U'ǲ', U"Dz"},  {U'ǳ', U"dz"}, {U'ﬀ', U"ff"}, {U'ﬁ', U"fi"}, {U'ﬂ', U"fl"},
    {U'ﬃ', U"ffi"}, {U'ﬄ', U"ffl"}, {U'ﬅ', U"ſt"}, {U'ﬆ', U"st"},
};

// Values of names that are written in capitals: one character becomes several.
constexpr Letters kSeveralCapitals[] = {
    {U'ß', U"SS"}, {U'ŉ', U"ʼN"}, {U'ﬀ', U"FF"}, {U'ﬁ', U"FI"}, {U'ﬂ', U"FL"}, {U'ﬃ', U"FFI"}, {U'ﬄ', U"FFL"},
};

template <size_t n>
const Letters* find_letters(const Letters (&table)[n], char32_t c) {
  const Letters* found = std::find_if(table, table + n, [c](const Letters& row) { return row.ligature == c; });
  return found == table + n ? nullptr : found;
}

bool is_ascii_letter_or_digit(char32_t c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

std::u32string in_capitals(std::u32string_view text) {
  std::u32string out;
  for (const char32_t c : text) {
    if (const Letters* several = find_letters(kSeveralCapitals, c))
      out += several->letters;
    else
      out += unicode::upper_case(c);
  }
  return out;
}

// `reference` is &…; of letters and digits, perhaps with # before them. What stays as it is is returned so.
std::u32string resolved_reference(std::u32string_view reference) {
  if (reference[1] == '#') {
    const std::u32string value = unescape_html(reference);
    // A semicolon that is left was not part of the reference.
    return value.find(U';') == std::u32string::npos ? value : std::u32string(reference);
  }
  const std::u32string_view name = reference.substr(1, reference.size() - 2);
  std::string as_written, lower;
  for (const char32_t c : name) {
    as_written += static_cast<char>(c);
    lower += static_cast<char>(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
  }
  if (const auto value = html_reference(as_written)) return *value;
  const bool in_lower = std::any_of(name.begin(), name.end(), [](char32_t c) { return c >= 'a' && c <= 'z'; });
  const std::optional<std::u32string> value = in_lower ? std::nullopt : html_reference(lower);
  if (value && unescape_html(reference) == reference) return in_capitals(*value);
  return std::u32string(reference);
}

std::u32string resolve_references(std::u32string_view text) {
  constexpr size_t kLongestName = 24;
  std::u32string out;
  for (size_t at = 0; at < text.size();) {
    size_t end = at + 1;
    if (text[at] == '&') {
      if (end < text.size() && text[end] == '#') ++end;
      const size_t name = end;
      while (end < text.size() && end - name < kLongestName && is_ascii_letter_or_digit(text[end])) ++end;
      if (end > name && end < text.size() && text[end] == ';') {
        out += resolved_reference(text.substr(at, end + 1 - at));
        at = end + 1;
        continue;
      }
    }
    out += text[at++];
  }
  return out;
}

bool is_single_quote(char32_t c) { return c == 0x2BC || (c >= 0x2018 && c <= 0x201B); }
bool is_double_quote(char32_t c) { return c >= 0x201C && c <= 0x201F; }
bool is_other_width(char32_t c) { return c >= 0xFF01 && c <= 0xFFEF; }

bool is_removed(char32_t c) {
  return c <= 0x8 || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F || (c >= 0x206A && c <= 0x206F) || c == 0xFEFF ||
         (c >= 0xFFF9 && c <= 0xFFFC);
}

void append_usual_form(std::u32string& out, char32_t c) {
  if (const Letters* ligature = find_letters(kLigatures, c))
    for (const char32_t letter : ligature->letters) append_usual_form(out, letter);
  else if (is_other_width(c))
    out += unicode::compose_compatibly(c);
  else if (c == 0x3000)
    out += U' ';
  else if (is_single_quote(c))
    out += U'\'';
  else if (is_double_quote(c))
    out += U'"';
  else
    out += c;
}

std::u32string with_line_feeds(std::u32string_view text) {
  std::u32string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const char32_t c = text[i];
    if (c == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    out += c == '\r' || c == 0x2028 || c == 0x2029 || c == 0x85 ? U'\n' : c;
  }
  return out;
}

// ESC [, numbers and semicolons, a letter. The length, or 0.
size_t escape_sequence(std::u32string_view text, size_t at) {
  if (text[at] != 0x1B || at + 1 >= text.size() || text[at + 1] != '[') return 0;
  size_t end = at + 2;
  while (end < text.size() && (text[end] == ';' || python::is_decimal(text[end]))) ++end;
  const bool letter = end < text.size() && is_ascii_letter_or_digit(text[end]);
  return letter ? end + 1 - at : 0;
}

std::u32string without_controls(std::u32string_view text) {
  std::u32string out;
  for (size_t at = 0; at < text.size();) {
    const size_t escape = escape_sequence(text, at);
    if (escape == 0 && !is_removed(text[at])) out += text[at];
    at += std::max<size_t>(escape, 1);
  }
  return out;
}

std::u32string fix_once(std::u32string text, bool has_markup) {
  if (!has_markup) text = resolve_references(text);
  text = replace_c1_controls(undo_mojibake(std::move(text)));
  std::u32string usual;
  usual.reserve(text.size());
  for (const char32_t c : text) append_usual_form(usual, c);
  return unicode::compose(without_controls(with_line_feeds(usual)));
}

// Printable ASCII without & is what everything above leaves alone.
bool needs_nothing(std::u32string_view line) {
  return std::all_of(line.begin(), line.end(),
                     [](char32_t c) { return (c >= ' ' && c < 0x7F && c != '&') || c == '\n' || c == '\t'; });
}

}  // namespace

std::u32string fix_text(std::u32string text) {
  std::u32string out;
  bool has_markup = false;
  for (size_t at = 0; at < text.size();) {
    const size_t feed = text.find(U'\n', at);
    const size_t end = std::min(feed == std::u32string::npos ? text.size() : feed + 1, at + kMostLineCharacters);
    std::u32string line = text.substr(at, end - at);
    has_markup = has_markup || line.find(U'<') != std::u32string::npos;
    if (!needs_nothing(line)) {
      for (int round = 0; round < kMostPasses; ++round) {
        std::u32string next = fix_once(line, has_markup);
        if (next == line) break;
        line = std::move(next);
      }
    }
    out += line;
    at = end;
  }
  return out;
}

}  // namespace tessera
