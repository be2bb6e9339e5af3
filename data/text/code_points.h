// Texts as code points, and what the clean-up of byte-level BPE asks about them. The tables are utf8proc's.
#pragma once

#include <string>
#include <string_view>

namespace tessera::unicode {

// Ill-formed parts become U+FFFD.
std::u32string to_code_points(std::string_view utf8);
std::string to_utf8(std::u32string_view text);

bool is_letter(char32_t c);         // category L
bool is_number(char32_t c);         // category N
bool is_decimal_digit(char32_t c);  // category Nd
// Unicode's White_Space.
bool is_white_space(char32_t c);
// White_Space and the four separators U+001C to U+001F: what Python's str.split takes for blanks.
bool is_python_space(char32_t c);

// Canonical composition (NFC) of a whole text.
std::u32string compose(std::u32string_view text);
// Compatibility composition (NFKC) of one character.
std::u32string compose_compatibly(char32_t c);

char32_t upper_case(char32_t c);  // of one character, without context

// Lower case with context, as Python's str.lower: Σ at the end of a word becomes ς, İ becomes i and a dot above.
std::u32string lower_case_in_context(std::u32string_view text);

}  // namespace tessera::unicode
