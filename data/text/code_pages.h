// The encodings of one byte a character that texts in UTF-8 are most often mistaken for.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace tessera {

// One encoding. Bytes below 0x80 are ASCII.
class CodePage {
 public:
  // characters: of bytes 0x80 to 0xFF, each another. lossy: byte 0x1A stands for U+FFFD, a character that was lost, in
  // place of the control character.
  CodePage(std::u32string_view characters, bool lossy);

  char32_t character(uint8_t byte) const { return characters_[byte]; }
  bool lossy() const { return characters_[0x1A] != 0x1A; }
  // The bytes that read as `text`; none where it has other characters.
  std::optional<std::string> encode(std::u32string_view text) const;

 private:
  std::array<char32_t, 256> characters_;
  std::unordered_map<char32_t, uint8_t> bytes_;
};

enum class CodePageName : uint8_t {
  latin_1,
  windows_1252,
  windows_1251,
  windows_1250,
  windows_1253,
  windows_1254,
  windows_1257,
  iso_8859_2,
  mac_roman,
  cp437,
};
inline constexpr size_t kCodePageCount = 10;

// Those of Windows are lossy.
const CodePage& code_page(CodePageName name);

char32_t windows_1252(uint8_t byte);

}  // namespace tessera
