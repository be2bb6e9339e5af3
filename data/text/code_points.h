// What byte-level BPE and its clean-up ask about characters, beside data/text/unicode.h and data/text/python_strings.h.
// The tables are utf8proc's.
#pragma once

#include <string>
#include <string_view>

namespace tessera::unicode {

bool is_letter(char32_t c);  // category L
bool is_number(char32_t c);  // category N
// Unicode's White_Space.
bool is_white_space(char32_t c);
// Canonical composition (NFC) of a whole text.
std::u32string compose(std::u32string_view text);
// Compatibility composition (NFKC) of one character.
std::u32string compose_compatibly(char32_t c);

// Without context, of one character.
char32_t upper_case(char32_t c);

}  // namespace tessera::unicode
