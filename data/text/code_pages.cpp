#include "data/text/code_pages.h"

#include <numeric>

#include "tensor/error.h"

namespace tessera {
namespace {

#include "data/text/code_pages.inc"

std::u32string latin_1() {
  std::u32string characters(0x80, 0);
  std::iota(characters.begin(), characters.end(), char32_t{0x80});
  return characters;
}

}  // namespace

CodePage::CodePage(std::u32string_view characters, bool lossy) {
  check(characters.size() == 0x80, "code page: ", characters.size(), " characters, expected 128");
  std::iota(characters_.begin(), characters_.begin() + 0x80, char32_t{0});
  std::copy(characters.begin(), characters.end(), characters_.begin() + 0x80);
  if (lossy) characters_[0x1A] = 0xFFFD;
  for (size_t byte = 0; byte < characters_.size(); ++byte)
    bytes_.emplace(characters_[byte], static_cast<uint8_t>(byte));
}

std::optional<std::string> CodePage::encode(std::u32string_view text) const {
  std::string bytes;
  bytes.reserve(text.size());
  for (const char32_t c : text) {
    const auto found = bytes_.find(c);
    if (found == bytes_.end()) return std::nullopt;
    bytes.push_back(static_cast<char>(found->second));
  }
  return bytes;
}

const CodePage& code_page(CodePageName name) {
  static const std::array<CodePage, kCodePageCount> pages = {
      CodePage(latin_1(), false),   CodePage(kWindows1252, true), CodePage(kWindows1251, true),
      CodePage(kWindows1250, true), CodePage(kWindows1253, true), CodePage(kWindows1254, true),
      CodePage(kWindows1257, true), CodePage(kIso8859_2, false),  CodePage(kMacRoman, false),
      CodePage(kCp437, false),
  };
  return pages[static_cast<size_t>(name)];
}

char32_t windows_1252(uint8_t byte) { return byte < 0x80 ? byte : kWindows1252[byte - 0x80u]; }

}  // namespace tessera
