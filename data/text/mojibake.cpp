#include "data/text/mojibake.h"

#include <algorithm>
#include <array>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "data/text/code_pages.h"
#include "data/text/code_points.h"
#include "data/text/lossy_utf8.h"
#include "data/text/python_strings.h"

namespace tessera {
namespace {

// Bits of a character's classes; the last ones are told by rule.
enum Class : uint32_t {
  common = 1u << 0,
  c1 = 1u << 1,
  bad = 1u << 2,
  law = 1u << 3,
  currency = 1u << 4,
  opening = 1u << 5,
  closing = 1u << 6,
  numeric = 1u << 7,
  face = 1u << 8,  // letters that faces are made of
  upper_accented = 1u << 9,
  lower_accented = 1u << 10,
  upper_common = 1u << 11,
  lower_common = 1u << 12,
  box = 1u << 13,
  ascii_lower = 1u << 14,
  ascii_upper = 1u << 15,
  white_space = 1u << 16,
  word = 1u << 17,      // letters, numbers, _
  at_start = 1u << 18,  // of a set's characters only the first of a text
};

struct ClassMembers {
  Class of;
  std::u32string_view characters;
};

struct CharacterSet {
  uint32_t classes;
  std::u32string_view characters = {};
  bool all_others = false;
};

#include "data/text/mojibake_rules.inc"

uint32_t classes_of(char32_t c) {
  static const auto table = [] {
    std::unordered_map<char32_t, uint32_t> classes;
    for (const ClassMembers& members : kClassMembers)
      for (const char32_t member : members.characters) classes[member] |= members.of;
    return classes;
  }();
  const auto found = table.find(c);
  uint32_t classes = found == table.end() ? 0 : found->second;
  if (c >= 'a' && c <= 'z') classes |= ascii_lower;
  if (c >= 'A' && c <= 'Z') classes |= ascii_upper;
  if (python::is_space(c)) classes |= white_space;
  if (c == '_' || unicode::is_letter(c) || unicode::is_number(c)) classes |= word;
  return classes;
}

bool has(const CharacterSet& set, char32_t c, uint32_t classes) {
  const bool listed = (set.classes & classes) != 0 || set.characters.find(c) != std::u32string_view::npos;
  return listed != set.all_others;
}

// Characters that are read of UTF-8's bytes in the encodings of Windows and in Latin-1, by what the bytes begin.
struct Utf8Signs {
  std::unordered_set<char32_t> first_of[5];  // of sequences of 2, 3 and 4 bytes
  std::unordered_set<char32_t> continuation;
  std::unordered_set<char32_t> strict_continuation;  // those that do not stand for themselves beside mojibake
};

const Utf8Signs& utf8_signs() {
  static const Utf8Signs signs = [] {
    Utf8Signs made;
    const auto add = [](std::unordered_set<char32_t>& to, const CodePage& page, int first, int last) {
      for (int byte = first; byte <= last; ++byte) to.insert(page.character(static_cast<uint8_t>(byte)));
    };
    for (const CodePageName name :
         {CodePageName::latin_1, CodePageName::windows_1250, CodePageName::windows_1251, CodePageName::windows_1252,
          CodePageName::windows_1253, CodePageName::windows_1254, CodePageName::windows_1257}) {
      const CodePage& page = code_page(name);
      add(made.first_of[2], page, 0xC2, 0xDF);
      add(made.first_of[3], page, 0xE0, 0xEF);
      add(made.first_of[4], page, 0xF0, 0xF0);
      add(made.first_of[4], page, 0xF3, 0xF3);
      add(made.continuation, page, 0x80, 0xBF);
    }
    made.strict_continuation = made.continuation;
    for (const char32_t c : std::u32string_view(U"–—―‘’‚“”„•…")) made.strict_continuation.erase(c);
    made.continuation.insert(U' ');  // for U+00A0
    return made;
  }();
  return signs;
}

// The end of the sequences that begin at `start`, or `start`.
size_t end_of_sequences(std::u32string_view text, size_t start) {
  const Utf8Signs& signs = utf8_signs();
  size_t at = start;
  for (size_t length = 2; length <= 4;) {
    bool fits = at + length <= text.size() && signs.first_of[length].contains(text[at]);
    for (size_t i = 1; fits && i < length; ++i) fits = signs.continuation.contains(text[at + i]);
    if (fits) {
      at += length;
      length = 2;
    } else {
      ++length;
    }
  }
  return at;
}

// Sequences that look like UTF-8, each by itself. One that is the whole text is left: it has been tried. So a part
// comes here again only when it has been read as UTF-8 and is shorter for that.
std::u32string undo_in_parts(const std::u32string& text) {
  std::u32string out;
  for (size_t at = 0; at < text.size();) {
    const bool inside = at > 0 && utf8_signs().strict_continuation.contains(text[at - 1]);
    const size_t end = inside ? at : end_of_sequences(text, at);
    if (end == at) {
      out += text[at++];
      continue;
    }
    std::u32string part = text.substr(at, end - at);
    out += part.size() < text.size() && looks_like_mojibake(part) ? undo_mojibake(std::move(part)) : part;
    at = end;
  }
  return out;
}

// What Windows-1252 makes of the text's Latin-1 bytes; none where it leaves one of them undefined.
std::optional<std::u32string> as_windows_1252(const std::u32string& text) {
  std::u32string out;
  for (const char32_t c : text) {
    if (c > 0xFF) return std::nullopt;
    out += windows_1252(static_cast<uint8_t>(c));
    if (c >= 0x80 && c < 0xA0 && out.back() == c) return std::nullopt;
  }
  return out;
}

bool has_c1(const std::u32string& text) {
  return std::any_of(text.begin(), text.end(), [](char32_t c) { return c >= 0x80 && c <= 0x9F; });
}

std::u32string one_pass(const std::u32string& text) {
  if (!looks_like_mojibake(text)) return text;
  for (size_t i = 0; i < kCodePageCount; ++i) {
    const auto name = static_cast<CodePageName>(i);
    const CodePage& page = code_page(name);
    std::optional<std::string> bytes = page.encode(text);
    if (!bytes) continue;
    // MacRoman's byte for a dash would match.
    if (name != CodePageName::mac_roman) *bytes = restore_no_break_spaces(*bytes);
    if (page.lossy()) *bytes = replace_lost_bytes(*bytes);
    if (std::optional<std::u32string> decoded = decode_utf8_variants(*bytes)) return *decoded;
  }
  std::u32string in_parts = undo_in_parts(text);
  if (in_parts != text) return in_parts;
  if (const auto windows = as_windows_1252(text); windows && *windows != text) return *windows;
  return has_c1(text) ? replace_c1_controls(text) : text;
}

}  // namespace

bool looks_like_mojibake(std::u32string_view text) {
  if (std::all_of(text.begin(), text.end(), [](char32_t c) { return c < 0x80; })) return false;
  std::vector<uint32_t> classes;
  classes.reserve(text.size());
  for (const char32_t c : text) classes.push_back(classes_of(c));
  classes[0] |= at_start;
  const auto matches = [&](const std::vector<CharacterSet>& sequence, size_t at) {
    if (at + sequence.size() > text.size()) return false;
    for (size_t i = 0; i < sequence.size(); ++i) {
      CharacterSet set = sequence[i];
      if (set.classes == at_start) {
        if (at + i > 0) return false;
        set.classes = 0;
      }
      if (!has(set, text[at + i], classes[at + i])) return false;
    }
    return true;
  };
  for (size_t at = 0; at < text.size(); ++at)
    for (const std::vector<CharacterSet>& sequence : kSuspiciousSequences)
      if (matches(sequence, at)) return true;
  return false;
}

std::u32string undo_mojibake(std::u32string text) {
  for (int pass = 0; pass < kMostPasses; ++pass) {
    std::u32string next = one_pass(text);
    if (next == text) break;
    text = std::move(next);
  }
  return text;
}

std::u32string replace_c1_controls(std::u32string text) {
  for (char32_t& c : text)
    if (c >= 0x80 && c <= 0x9F) c = windows_1252(static_cast<uint8_t>(c));
  return text;
}

}  // namespace tessera
