#include "io/tar_header.h"

#include <algorithm>
#include <charconv>

namespace tessera {
namespace {

constexpr uint64_t kLargest = INT64_MAX;

std::string_view up_to_nul(std::string_view field) { return field.substr(0, field.find('\0')); }

}  // namespace

bool begins_as_tar(std::string_view bytes) {
  TarBlock block;
  if (bytes.size() < kTarBlock) return false;
  std::copy_n(bytes.begin(), kTarBlock, block.bytes.begin());
  return !block.is_zero() && block.checksum_is_right();
}

bool TarBlock::is_zero() const {
  return std::all_of(bytes.begin(), bytes.end(), [](char byte) { return byte == 0; });
}

// The sum of all bytes, those of the sum itself being blanks. Some programs of old took bytes for signed.
bool TarBlock::checksum_is_right() const {
  const auto written = tar_number(field(148, 8));
  if (!written) return false;
  int64_t unsigned_sum = 0, signed_sum = 0;
  for (size_t i = 0; i < kTarBlock; ++i) {
    const char byte = i >= 148 && i < 156 ? ' ' : bytes[i];
    unsigned_sum += static_cast<unsigned char>(byte);
    signed_sum += static_cast<signed char>(byte);
  }
  const auto sum = static_cast<int64_t>(*written);
  return sum == unsigned_sum || sum == signed_sum;
}

std::string TarBlock::name() const {
  const std::string name(up_to_nul(field(0, 100)));
  const std::string_view mark = field(257, 6);
  const std::string_view prefix = up_to_nul(field(345, 155));
  if (mark != std::string_view("ustar\0", 6) || prefix.empty()) return name;
  return std::string(prefix) + "/" + name;
}

std::optional<uint64_t> TarBlock::size() const { return tar_number(field(124, 12)); }

std::optional<uint64_t> tar_number(std::string_view field) {
  const auto first = static_cast<unsigned char>(field[0]);
  if (first & 0x80) {
    if (first != 0x80) return {};  // below 0, or beyond what fits
    uint64_t value = 0;
    for (const char byte : field.substr(1)) {
      if (value >> 55 != 0) return {};
      value = value << 8 | static_cast<unsigned char>(byte);
    }
    return value;
  }
  std::string_view digits = up_to_nul(field);
  const size_t begin = digits.find_first_not_of(' ');
  if (begin == std::string_view::npos) return 0;
  digits = digits.substr(begin, digits.find_last_not_of(' ') + 1 - begin);
  uint64_t value = 0;  // at most twelve digits: it fits
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 8);
  if (error != std::errc() || end != digits.data() + digits.size()) return {};
  return value;
}

std::optional<uint64_t> decimal_number(std::string_view digits) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size() || value > kLargest) return {};
  return value;
}

}  // namespace tessera
