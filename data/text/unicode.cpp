#include "data/text/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <iterator>

namespace tessera::unicode {
namespace {

struct ClassRange {
  char32_t first, last;
  CharacterClass value;
};
// Maps first + i to target + i, and takes the place of decomposition and lower-casing.
struct MapRange {
  char32_t first, last, target;
};

#include "data/text/unicode_exceptions.inc"

// The range of a sorted table that holds `c`, or null.
template <class Range, size_t n>
const Range* find(const Range (&table)[n], char32_t c) {
  const Range* range = std::upper_bound(std::begin(table), std::end(table), c,
                                        [](char32_t value, const Range& r) { return value < r.first; });
  if (range == std::begin(table) || c > (range - 1)->last) return nullptr;
  return range - 1;
}

bool within(char32_t c, char32_t first, char32_t last) { return first <= c && c <= last; }

bool is_ascii_punctuation(char32_t c) {
  return within(c, '!', '/') || within(c, ':', '@') || within(c, '[', '`') || within(c, '{', '~');
}

}  // namespace

CharacterClass category_class(char32_t c) {
  if (c == '\t' || c == '\n' || c == '\r') return CharacterClass::space;
  if (c == 0xFFFD) return CharacterClass::drop;
  if (is_ascii_punctuation(c)) return CharacterClass::punctuation;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CO: return CharacterClass::drop;
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP: return CharacterClass::space;
    case UTF8PROC_CATEGORY_MN: return CharacterClass::mark;
    case UTF8PROC_CATEGORY_PC:
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO: return CharacterClass::punctuation;
    default: return CharacterClass::keep;
  }
}

CharacterClass character_class(char32_t c) {
  if (within(c, 'a', 'z')) return CharacterClass::keep;
  if (const ClassRange* range = find(kClassExceptions, c)) return range->value;
  return category_class(c);
}

bool is_ideograph(char32_t c) {
  return within(c, 0x4E00, 0x9FFF) || within(c, 0x3400, 0x4DBF) || within(c, 0xF900, 0xFAFF) ||
         within(c, 0x20000, 0x2A6DF) || within(c, 0x2A700, 0x2B73F) || within(c, 0x2B740, 0x2B81F) ||
         within(c, 0x2B920, 0x2CEAF) || within(c, 0x2F800, 0x2FA1F);
}

size_t decompose(char32_t c, std::array<char32_t, 4>& out) {
  out[0] = c;
  if (c < 0x80 || find(kMapExceptions, c)) return 1;
  std::array<utf8proc_int32_t, 4> buffer;
  int boundary = UTF8PROC_BOUNDCLASS_START;
  const auto count = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), buffer.data(), buffer.size(),
                                             UTF8PROC_DECOMPOSE, &boundary);
  if (count < 1 || count > static_cast<utf8proc_ssize_t>(buffer.size())) return 1;
  std::copy_n(buffer.begin(), count, out.begin());
  return static_cast<size_t>(count);
}

int combining_class(char32_t c) {
  if (c < 0x300) return 0;
  return utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->combining_class;
}

char32_t lower_case(char32_t c) {
  if (c < 0x80) return within(c, 'A', 'Z') ? c + ('a' - 'A') : c;
  if (const MapRange* range = find(kMapExceptions, c)) return range->target + (c - range->first);
  return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
}

char32_t next_code_point(std::string_view text, size_t& position) {
  constexpr char32_t kReplacement = 0xFFFD;
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(position++);
  if (lead < 0x80) return lead;
  // Well-formed sequences (Unicode, table 3-7): the range of the second byte excludes overlong forms, surrogates and
  // what lies beyond U+10FFFF.
  int more;
  uint8_t low = 0x80, high = 0xBF;
  if (lead >= 0xC2 && lead <= 0xDF) {
    more = 1;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    more = 2;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    more = 3;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  } else {
    return kReplacement;
  }
  char32_t c = lead & (0x3F >> more);
  for (; more > 0; --more) {
    if (position >= text.size() || byte(position) < low || byte(position) > high) return kReplacement;
    c = c << 6 | (byte(position++) & 0x3F);
    low = 0x80;
    high = 0xBF;
  }
  return c;
}

bool is_utf8(std::string_view text) {
  for (size_t position = 0; position < text.size();) {
    const size_t start = position;
    // U+FFFD itself, written out, is three bytes and well formed.
    if (next_code_point(text, position) == 0xFFFD && text.substr(start, position - start) != "\xEF\xBF\xBD")
      return false;
  }
  return true;
}

void append_utf8(std::string& text, char32_t c) {
  const auto put = [&](char32_t byte) { text.push_back(static_cast<char>(static_cast<uint8_t>(byte))); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6);
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12);
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | c >> 18);
    put(0x80 | (c >> 12 & 0x3F));
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  }
}

}  // namespace tessera::unicode
