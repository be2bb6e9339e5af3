// A line of text inside a PNG (its chunk tEXt, PNG specification 11.3.3.2), as programs sign what they write.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

// `png`, whole, with the text behind its header. Keyword and text are ASCII, the keyword of 1 to 79 characters.
std::vector<uint8_t> with_png_text(std::span<const uint8_t> png, std::string_view keyword, std::string_view text);

// The text that with_png_text put there; nothing for any other bytes, such as a PNG that has its texts elsewhere. The
// first 200 bytes of a file are enough for short texts.
std::optional<std::string> png_text(std::span<const uint8_t> beginning, std::string_view keyword);

}  // namespace tessera
