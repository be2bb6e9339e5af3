#include <vector>

#include "data/images/transparency.h"
#include "tests/fuzz/image.h"
#include "tests/io/zip_writer.h"

namespace tessera::fuzz {
namespace {

// Chunks: length, type, data, checksum of type and data. A mutation nearly always spoils a checksum, and the reader
// would look no further.
std::vector<uint8_t> with_right_checksums(Bytes bytes) {
  std::vector<uint8_t> out(bytes.begin(), bytes.end());
  for (size_t at = 8; at + 12 <= out.size();) {
    size_t length = 0;
    for (size_t i = 0; i < 4; ++i) length = length << 8 | out[at + i];
    if (length > out.size() - at - 12) break;
    const uint32_t crc = tests::crc32(Bytes(out).subspan(at + 4, length + 4));
    for (size_t i = 0; i < 4; ++i) out[at + 8 + length + i] = static_cast<uint8_t>(crc >> (24 - 8 * i));
    at += 12 + length;
  }
  return out;
}

void decode(Bytes bytes) {
  constexpr int64_t kPixelsPerByte = 1032 * 8;  // data/images/png.cpp; one bit a pixel
  DecodedImage decoded;
  if (accepted([&] { decoded = decode_png(bytes, "fuzz", {.respect_orientation = true}); }))
    check_decoded(decoded, kPixelsPerByte * static_cast<int64_t>(bytes.size() + 1));
  else
    return;
  PictureWithAlpha picture{.image = std::move(decoded.image), .alpha = {}};
  add_png_alpha(bytes, "fuzz", picture);
  const size_t alpha = picture.alpha.pixels.size();
  ensure(alpha == 0 || alpha == picture.image.pixels.size(), "alpha of another size");
}

}  // namespace

void png(Bytes bytes) {
  decode(bytes);
  decode(with_right_checksums(bytes));
}

}  // namespace tessera::fuzz
