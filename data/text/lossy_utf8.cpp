#include "data/text/lossy_utf8.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <span>

#include "data/text/unicode.h"

namespace tessera {
namespace {

constexpr uint8_t kLost = 0x1A, kSpace = 0x20;

// Bytes that may stand at a place of a sequence: one of two ranges, or one of two bytes. No byte is 0 here.
struct ByteSet {
  uint8_t first, last;
  uint8_t also = 0, or_also = 0;
  uint8_t second_first = 1, second_last = 0;

  constexpr bool has(uint8_t byte) const {
    return (first <= byte && byte <= last) || (byte != 0 && (byte == also || byte == or_also)) ||
           (second_first <= byte && byte <= second_last);
  }
};

// Sequences of up to six sets; the first empty one ends it.
struct Sequence {
  std::array<ByteSet, 6> sets;
  size_t length;

  bool matches(std::string_view bytes, size_t at) const {
    if (at + length > bytes.size()) return false;
    for (size_t i = 0; i < length; ++i)
      if (!sets[i].has(static_cast<uint8_t>(bytes[at + i]))) return false;
    return true;
  }
};

constexpr ByteSet one(uint8_t byte) { return {byte, byte}; }
constexpr ByteSet kBlank = one(kSpace);
constexpr ByteSet kAny = {0x80, 0xBF};
// Not 0x85, which is mostly an ellipsis, and not 0xA0.
constexpr ByteSet kUsual = {0x80, 0x84, 0, 0, 0x86, 0x9F};
constexpr ByteSet kUsualHigh = {0xA1, 0xBF};
constexpr ByteSet kLostByte = one(kLost);
constexpr ByteSet kLostOrMark = {kLost, kLost, '?'};
constexpr ByteSet kLostOrAny = {0x80, 0xBF, kLost};
constexpr ByteSet kLostMarkOrAny = {0x80, 0xBF, kLost, '?'};

// Lead bytes whose character with 0xA0 is a likely one: space, à, Š, Π, Р, ٠; then scripts of three bytes, then emoji.
constexpr Sequence kWithSpace[] = {
    {{{{0xC2, 0xC3, 0xC5, 0xCE}, kBlank}}, 2}, {{{{0xD0, 0xD0, 0xD9}, kBlank}}, 2},
    {{{{0xE2, 0xE3}, kBlank, kUsual}}, 3},     {{{{0xE2, 0xE3}, kBlank, kUsualHigh}}, 3},
    {{{{0xE0, 0xE3}, kUsual, kBlank}}, 3},     {{{{0xE0, 0xE3}, kUsualHigh, kBlank}}, 3},
    {{{one(0xF0), kBlank, kAny, kAny}}, 4},    {{{one(0xF0), kAny, kBlank, kAny}}, 4},
    {{{one(0xF0), kAny, kAny, kBlank}}, 4},
};

constexpr ByteSet kHighSurrogate = {0xA0, 0xAF}, kLowSurrogate = {0xB0, 0xBF};
constexpr Sequence kWithLost[] = {
    {{{{0xC2, 0xDF}, kLostByte}}, 2},
    {{{{0xC2, 0xC3}, one('?')}}, 2},
    {{{one(0xED), kHighSurrogate, kLostOrMark, one(0xED), kLowSurrogate, kLostMarkOrAny}}, 6},
    {{{one(0xED), kHighSurrogate, kLostMarkOrAny, one(0xED), kLowSurrogate, kLostOrMark}}, 6},
    {{{{0xE0, 0xEF}, kLostOrMark, kLostOrAny}}, 3},
    {{{{0xE0, 0xEF}, kLostOrAny, kLostOrMark}}, 3},
    {{{{0xF0, 0xF4}, kLostOrMark, kLostOrAny, kLostOrAny}}, 4},
    {{{{0xF0, 0xF4}, kLostOrAny, kLostOrMark, kLostOrAny}}, 4},
    {{{{0xF0, 0xF4}, kLostOrAny, kLostOrAny, kLostOrMark}}, 4},
    {{{kLostByte}}, 1},
};

// Length of the first sequence that begins at `at`, or 0.
size_t match(std::span<const Sequence> sequences, std::string_view bytes, size_t at) {
  for (const Sequence& sequence : sequences)
    if (sequence.matches(bytes, at)) return sequence.length;
  return 0;
}

bool has_spaces_to_restore(std::string_view bytes) {
  for (size_t at = 0; at < bytes.size(); ++at)
    if (match(kWithSpace, bytes, at) > 0) return true;
  return false;
}

// "\xC3 " becomes "\xC3\xA0 " unless a space or the rest of one of these Portuguese words follows.
std::string keep_spaces_after_a(std::string_view bytes) {
  std::string out;
  for (size_t at = 0; at < bytes.size(); ++at) {
    out += bytes[at];
    if (!bytes.substr(at).starts_with("\xC3 ")) continue;
    const std::string_view rest = bytes.substr(at + 2);
    const auto begins_with = [rest](std::string_view word) { return rest.starts_with(word); };
    const std::initializer_list<std::string_view> exceptions = {" ", "quele", "quela", "quilo", "s "};
    if (std::none_of(exceptions.begin(), exceptions.end(), begins_with)) out += '\xA0';
  }
  return out;
}

// The code point of six bytes of CESU-8 at `at`; 0 where there is none.
char32_t surrogate_pair(std::string_view bytes, size_t at) {
  constexpr Sequence kPair = {{{one(0xED), kHighSurrogate, kAny, one(0xED), kLowSurrogate, kAny}}, 6};
  if (!kPair.matches(bytes, at)) return 0;
  const auto bits = [&](size_t i, uint8_t mask) {
    return static_cast<char32_t>(static_cast<uint8_t>(bytes[at + i]) & mask);
  };
  return 0x10000 + (bits(1, 0x0F) << 16 | bits(2, 0x3F) << 10 | bits(4, 0x0F) << 6 | bits(5, 0x3F));
}

}  // namespace

std::string restore_no_break_spaces(std::string_view bytes) {
  if (!has_spaces_to_restore(bytes)) return std::string(bytes);
  std::string out = keep_spaces_after_a(bytes);
  for (size_t at = 0; at < out.size();) {
    const size_t length = match(kWithSpace, out, at);
    for (size_t i = 0; i < length; ++i)
      if (out[at + i] == ' ') out[at + i] = '\xA0';
    at += std::max<size_t>(length, 1);
  }
  return out;
}

std::string replace_lost_bytes(std::string_view bytes) {
  std::string out;
  for (size_t at = 0; at < bytes.size();) {
    const size_t length = match(kWithLost, bytes, at);
    if (length > 0)
      out += "\xEF\xBF\xBD";
    else
      out += bytes[at];
    at += std::max<size_t>(length, 1);
  }
  return out;
}

std::optional<std::u32string> decode_utf8_variants(std::string_view bytes) {
  std::u32string text;
  for (size_t at = 0; at < bytes.size();) {
    if (bytes.substr(at).starts_with("\xC0\x80")) {
      text += U'\0';
      at += 2;
    } else if (const char32_t pair = surrogate_pair(bytes, at); pair != 0) {
      text += pair;
      at += 6;
    } else {
      const size_t start = at;
      const char32_t c = unicode::next_code_point(bytes, at);
      if (c == 0xFFFD && bytes.substr(start, at - start) != "\xEF\xBF\xBD") return std::nullopt;
      text += c;
    }
  }
  return text;
}

}  // namespace tessera
