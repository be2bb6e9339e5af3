// UTF-8 that has suffered: bytes that became spaces, bytes that were lost, and forms of it that are none.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tessera {

// Puts 0xA0 in the place of a space where that makes a likely character of the bytes around it: some programs take
// U+00A0 for a space. "Ã " before a blank or within Portuguese's "às", "àquele" is à and the space stays.
std::string restore_no_break_spaces(std::string_view bytes);

// Sequences some of whose bytes are lost (0x1A, or one '?'), and single lost bytes, become U+FFFD.
std::string replace_lost_bytes(std::string_view bytes);

// UTF-8; where 0xED or 0xC0 occurs also CESU-8 (surrogates of three bytes each) and Java's 0xC0 0x80 for U+0000.
// Nothing where it is ill-formed.
std::optional<std::u32string> decode_utf8_variants(std::string_view bytes);

}  // namespace tessera
