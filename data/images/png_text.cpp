#include "data/images/png_text.h"

#include <zlib.h>

#include <algorithm>
#include <array>

#include "tensor/error.h"

namespace tessera {
namespace {

constexpr std::array<uint8_t, 8> kSignature{0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
// Signature, then the header's chunk: length, type, 13 bytes, checksum.
constexpr size_t kHeaderEnd = 8 + 4 + 4 + 13 + 4;

void append_number(std::vector<uint8_t>& out, uint32_t value) {
  for (const int shift : {24, 16, 8, 0}) out.push_back(static_cast<uint8_t>(value >> shift));
}

uint32_t number_at(std::span<const uint8_t> bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = at; i < at + 4; ++i) value = value << 8 | bytes[i];
  return value;
}

bool has_header(std::span<const uint8_t> bytes) {
  return bytes.size() >= kHeaderEnd && std::ranges::equal(bytes.first(8), kSignature);
}

// The chunk's type and contents.
std::vector<uint8_t> signed_part(std::string_view keyword, std::string_view text) {
  std::string out("tEXt");
  out.append(keyword).append(1, '\0').append(text);
  return {out.begin(), out.end()};
}

}  // namespace

std::vector<uint8_t> with_png_text(std::span<const uint8_t> png, std::string_view keyword, std::string_view text) {
  check(has_header(png), "png_text: ", png.size(), " bytes that do not begin as a PNG");
  check(!keyword.empty() && keyword.size() < 80, "png_text: a keyword of ", keyword.size(),
        " characters, expected 1 to 79");
  const std::vector<uint8_t> part = signed_part(keyword, text);
  std::vector<uint8_t> out(png.begin(), png.begin() + kHeaderEnd);
  append_number(out, static_cast<uint32_t>(part.size() - 4));
  out.insert(out.end(), part.begin(), part.end());
  append_number(out, static_cast<uint32_t>(crc32(0, part.data(), static_cast<uInt>(part.size()))));
  out.insert(out.end(), png.begin() + kHeaderEnd, png.end());
  return out;
}

std::optional<std::string> png_text(std::span<const uint8_t> beginning, std::string_view keyword) {
  if (!has_header(beginning)) return {};
  const std::span<const uint8_t> rest = beginning.subspan(kHeaderEnd);
  const std::vector<uint8_t> before = signed_part(keyword, "");
  if (rest.size() < 4 + before.size() || !std::ranges::equal(rest.subspan(4, before.size()), before)) return {};
  const size_t length = number_at(rest, 0);  // of keyword, zero and text
  if (length + 4 < before.size() || length + 8 > rest.size()) return {};
  const std::span<const uint8_t> text = rest.subspan(4 + before.size(), length + 4 - before.size());
  return std::string(text.begin(), text.end());
}

}  // namespace tessera
