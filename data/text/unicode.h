// What BERT's basic tokenisation needs to know about characters: classes, canonical decomposition, lower-casing.
//
// The tables are utf8proc's, with a short list of exceptions (unicode_exceptions.inc): published BERT vocabularies are
// used with a tokenizer whose tables of categories are those of Unicode 8, so punctuation and marks added later are
// letters to it, while its lower-casing is newer than utf8proc's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tessera::unicode {

enum class CharacterClass : uint8_t {
  keep,         // part of a word
  drop,         // control, format and private-use characters, U+0000, U+FFFD
  mark,         // non-spacing mark (an accent), removed after decomposition
  space,        // separates words
  punctuation,  // a word of its own: category P, and every ASCII character that is neither letter, digit nor space
};

// By utf8proc's categories alone.
CharacterClass category_class(char32_t c);
// With the exceptions: the class that the tokenizer goes by.
CharacterClass character_class(char32_t c);

// Chinese, Japanese and Korean ideographs, each a word of its own. The range that should begin at U+2B820 begins at
// U+2B920, as in the tokenizer that the published vocabularies are used with. Hangul and kana are not ideographs.
bool is_ideograph(char32_t c);

// Canonical decomposition (NFD) of one character without reordering; returns how many of `out` are used.
size_t decompose(char32_t c, std::array<char32_t, 4>& out);
// Canonical combining class; runs of characters with a class other than 0 are sorted by it in NFD.
int combining_class(char32_t c);
// Simple lower-case mapping, without context (Σ always becomes σ).
char32_t lower_case(char32_t c);

// One code point of `text` from byte `position`, which moves behind it. Anything that is not UTF-8 (stray or missing
// continuation bytes, overlong forms, surrogates, beyond U+10FFFF) gives U+FFFD and moves at least one byte.
char32_t next_code_point(std::string_view text, size_t& position);
// Whether every byte belongs to a well-formed sequence.
bool is_utf8(std::string_view text);
void append_utf8(std::string& text, char32_t c);

}  // namespace tessera::unicode
