#include "data/text/html_entities.h"

#include <algorithm>
#include <iterator>

#include "data/text/code_pages.h"

namespace tessera {
namespace {

struct NamedReference {
  std::string_view name;
  char32_t first, second = 0;
};

#include "data/text/html_entities.inc"

constexpr size_t kLongestName = 32;
constexpr char32_t kReplacement = 0xFFFD;

bool is_digit(char32_t c) { return c >= '0' && c <= '9'; }

// -1 where it is none.
int hexadecimal(char32_t c) {
  if (is_digit(c)) return static_cast<int>(c - '0');
  const char32_t lower = c | 0x20;
  return lower >= 'a' && lower <= 'f' ? static_cast<int>(lower - 'a') + 10 : -1;
}

// Control characters and code points that the standard calls errors: Python leaves them out.
bool is_dropped(char32_t c) {
  return (c >= 0x1 && c <= 0x8) || c == 0xB || (c >= 0xE && c <= 0x1F) || (c >= 0x7F && c <= 0x9F) ||
         (c >= 0xFDD0 && c <= 0xFDEF) || (c & 0xFFFE) == 0xFFFE;
}

void append_number(std::u32string& out, char32_t number) {
  if (number == 0 || (number >= 0xD800 && number <= 0xDFFF) || number > 0x10FFFF)
    out += kReplacement;
  else if (number == 0xD)
    out += U'\r';
  else if (number >= 0x80 && number <= 0x9F)
    out += windows_1252(static_cast<uint8_t>(number));
  else if (!is_dropped(number))
    out += number;
}

// Of "&#…" at `start`; the place behind it, or `start` where it is none.
size_t append_numeric(std::u32string_view text, size_t start, std::u32string& out) {
  size_t at = start + 2;
  const bool hex = at < text.size() && (text[at] == 'x' || text[at] == 'X');
  if (hex) ++at;
  const size_t digits = at;
  char32_t number = 0;
  for (; at < text.size(); ++at) {
    const int digit = hexadecimal(text[at]);
    if (digit < 0 || (!hex && digit > 9)) break;
    number = std::min<char32_t>(number * (hex ? 16 : 10) + static_cast<char32_t>(digit), 0x110000);
  }
  if (at == digits) return start;
  append_number(out, number);
  return at < text.size() && text[at] == ';' ? at + 1 : at;
}

bool ends_a_name(char32_t c) {
  return c == '\t' || c == '\n' || c == '\f' || c == ' ' || c == '<' || c == '&' || c == '#' || c == ';';
}

std::string ascii(std::u32string_view name) {
  std::string out;
  for (const char32_t c : name) out += c < 0x80 ? static_cast<char>(c) : '\x7F';
  return out;
}

const NamedReference* find_name(std::string_view name) {
  const NamedReference* found =
      std::lower_bound(std::begin(kNamedReferences), std::end(kNamedReferences), name,
                       [](const NamedReference& reference, std::string_view value) { return reference.name < value; });
  return found != std::end(kNamedReferences) && found->name == name ? found : nullptr;
}

void append_reference(std::u32string& out, const NamedReference& reference) {
  out += reference.first;
  if (reference.second != 0) out += reference.second;
}

// Of "&…" at `start`, likewise.
size_t append_named(std::u32string_view text, size_t start, std::u32string& out) {
  size_t end = start + 1;
  while (end < text.size() && end - start - 1 < kLongestName && !ends_a_name(text[end])) ++end;
  const std::string name = ascii(text.substr(start + 1, end - start - 1));
  if (end < text.size() && text[end] == ';') {
    if (const NamedReference* whole = find_name(name)) {
      append_reference(out, *whole);
      return end + 1;
    }
  }
  for (size_t length = name.size(); length > 1; --length) {
    const std::string_view beginning = std::string_view(name).substr(0, length);
    if (!std::binary_search(std::begin(kBareReferences), std::end(kBareReferences), beginning)) continue;
    append_reference(out, *find_name(beginning));
    return start + 1 + length;
  }
  return start;
}

}  // namespace

std::u32string unescape_html(std::u32string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    if (text[at] == '&') {
      const bool numeric = at + 1 < text.size() && text[at + 1] == '#';
      const size_t behind = numeric ? append_numeric(text, at, out) : append_named(text, at, out);
      if (behind > at) {
        at = behind;
        continue;
      }
    }
    out += text[at++];
  }
  return out;
}

std::optional<std::u32string> html_reference(std::string_view name) {
  const NamedReference* found = find_name(name);
  if (!found) return std::nullopt;
  std::u32string out;
  append_reference(out, *found);
  return out;
}

}  // namespace tessera
