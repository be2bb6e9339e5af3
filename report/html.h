// Pieces of HTML: escaping, numbers as people read them, pictures inside the page.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "data/images/image.h"
#include "io/words.h"

namespace tessera {

// & < > " ' as entities: safe as text and inside a quoted attribute.
std::string escape_html(std::string_view text);

std::string base64(std::span<const uint8_t> bytes);
// "data:image/png;base64,…"
std::string png_data_uri(const Image& image);

// Fixed number of digits after the point; "–" for what was not measured or is not finite.
std::string fixed(std::optional<double> value, int digits);
// 0.9834 → "98.3 %", with a space at which no line breaks.
std::string percent(std::optional<double> share, int digits = 1);
// The fewest characters for so many significant digits: 0.002, 1.5e-5, 12.3.
std::string short_number(double value, int significant = 3);
// 75 → "1 min 15 s".
std::string duration(double seconds);

}  // namespace tessera
