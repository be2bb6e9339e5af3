#include "io/printable.h"

namespace tessera {

std::string printable(std::string_view text) {
  constexpr size_t kShown = 120;
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out = "'";
  for (const char character : text.substr(0, kShown)) {
    const auto byte = static_cast<unsigned char>(character);
    if (byte >= 0x20 && byte < 0x7f && byte != '\'' && byte != '\\') {
      out += character;
    } else {
      out += "\\x";
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
  return out + (text.size() > kShown ? "...'" : "'");
}

}  // namespace tessera
