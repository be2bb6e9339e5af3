// One block of a tar archive as a header. Internal to the reader of tar archives.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "io/tar.h"

namespace tessera {

struct TarBlock {
  std::array<char, kTarBlock> bytes{};

  std::string_view field(size_t begin, size_t size) const { return {bytes.data() + begin, size}; }
  bool is_zero() const;
  bool checksum_is_right() const;
  char type() const { return bytes[156]; }
  // As ustar writes it in two fields, or v7 and GNU in one. GNU's headers have times where ustar has the first part.
  std::string name() const;
  // Of the data; none where the field holds no number from 0 to 2^63 - 1.
  std::optional<uint64_t> size() const;
  // Whether blocks with more of a sparse file's map follow: in its header, and in such a block.
  bool map_goes_on() const { return bytes[482] != 0; }
  bool further_map_goes_on() const { return bytes[504] != 0; }
};

// Digits in base 8, with blanks around them, up to a NUL or the end; without any digit it is 0. Or GNU's form for large
// numbers, binary with the highest bit set.
std::optional<uint64_t> tar_number(std::string_view field);

// Decimal digits alone, at most 2^63 - 1.
std::optional<uint64_t> decimal_number(std::string_view digits);

}  // namespace tessera
