// Numbers and times as people write them.
#pragma once

#include <cstdint>
#include <string>

namespace tessera {

std::string fixed_text(double value, int digits);  // 0.12345, 3 → "0.123"
std::string with_thousands(int64_t value);         // 268657 → "268,657"
std::string clock_text(double seconds);            // 83.2 → "1:23", 3723 → "1:02:03"
std::string about_text(double seconds);  // 83.2 → "83 s", 723 → "12 min", 12345 → "3.4 h", 1e6 → "12 days"

}  // namespace tessera
