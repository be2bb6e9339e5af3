#include "data/text/byte_alphabet.h"

#include <algorithm>

#include "data/text/unicode.h"

namespace tessera {
namespace {

bool is_visible(int byte) {
  return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || (byte >= 174 && byte <= 255);
}

constexpr char32_t kFirstHidden = 0x100;

}  // namespace

const std::array<uint8_t, 256>& bytes_in_vocabulary_order() {
  static const auto order = [] {
    std::array<uint8_t, 256> bytes;
    for (int byte = 0; byte < 256; ++byte) bytes[static_cast<size_t>(byte)] = static_cast<uint8_t>(byte);
    std::stable_partition(bytes.begin(), bytes.end(), is_visible);
    return bytes;
  }();
  return order;
}

const std::array<std::string, 256>& byte_characters() {
  static const auto characters = [] {
    std::array<std::string, 256> out;
    char32_t hidden = kFirstHidden;
    for (int byte = 0; byte < 256; ++byte)
      unicode::append_utf8(out[static_cast<size_t>(byte)], is_visible(byte) ? static_cast<char32_t>(byte) : hidden++);
    return out;
  }();
  return characters;
}

std::optional<std::string> bytes_of_token(std::string_view token) {
  const size_t hidden_count =
      static_cast<size_t>(std::count_if(bytes_in_vocabulary_order().begin(), bytes_in_vocabulary_order().end(),
                                        [](uint8_t byte) { return !is_visible(byte); }));
  std::string bytes;
  for (size_t at = 0; at < token.size();) {
    const char32_t c = unicode::next_code_point(token, at);
    if (c < kFirstHidden && is_visible(static_cast<int>(c)))
      bytes += static_cast<char>(static_cast<uint8_t>(c));
    else if (c >= kFirstHidden && c < kFirstHidden + hidden_count)
      bytes += static_cast<char>(bytes_in_vocabulary_order()[256 - hidden_count + (c - kFirstHidden)]);
    else
      return std::nullopt;
  }
  return bytes;
}

}  // namespace tessera
