// The characters that byte-level BPE writes bytes as, so that vocabularies can be read as text (Radford et al.,
// "Language Models are Unsupervised Multitask Learners", 2019): visible bytes (33-126, 161-172, 174-255) are the
// characters of their number, the other 68 are U+0100, U+0101, … in the order of the bytes.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tessera {

// What ends the last symbol of a word.
inline constexpr std::string_view kWordEnd = "</w>";

// The character of each byte, UTF-8.
const std::array<std::string, 256>& byte_characters();

// All bytes in the order in which vocabularies have them: the visible ones first.
const std::array<uint8_t, 256>& bytes_in_vocabulary_order();

// The bytes that `token` stands for; kWordEnd is characters like others. None where a character is not of the alphabet.
std::optional<std::string> bytes_of_token(std::string_view token);

}  // namespace tessera
