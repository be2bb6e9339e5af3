#include "data/images/image_codecs.h"

namespace tessera {
namespace {

constexpr uint32_t kOrientationTag = 0x0112;
constexpr uint32_t kShortType = 3;
constexpr size_t kEntryBytes = 12;

// Reads unsigned integers of a TIFF block in its own byte order; outside the block everything is 0.
struct TiffReader {
  std::span<const uint8_t> bytes;
  bool big_endian;

  uint32_t integer(size_t at, size_t size) const {
    if (at > bytes.size() || size > bytes.size() - at) return 0;
    uint32_t value = 0;
    for (size_t i = 0; i < size; ++i) value = value << 8 | bytes[at + (big_endian ? i : size - 1 - i)];
    return value;
  }
};

}  // namespace

int exif_orientation(std::span<const uint8_t> tiff) {
  if (tiff.size() < 8 || tiff[0] != tiff[1] || (tiff[0] != 'I' && tiff[0] != 'M')) return 1;
  const TiffReader reader{tiff, tiff[0] == 'M'};
  if (reader.integer(2, 2) != 42) return 1;
  const size_t directory = reader.integer(4, 4);
  const uint32_t entries = reader.integer(directory, 2);
  for (uint32_t i = 0; i < entries; ++i) {
    const size_t entry = directory + 2 + i * kEntryBytes;
    if (reader.integer(entry, 2) != kOrientationTag) continue;
    const uint32_t value = reader.integer(entry + 8, 2);
    return reader.integer(entry + 2, 2) == kShortType && value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

Image apply_orientation(const Image& image, int orientation) {
  // Seen pixel (y, x) is stored pixel (row, column). From 5 on rows and columns are exchanged; which of the two then
  // runs backwards is read off the table of the EXIF standard.
  const bool exchanged = orientation >= 5;
  const bool rows_backwards = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const bool columns_backwards = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  Image seen = exchanged ? make_image(image.width, image.height) : make_image(image.height, image.width);
  for (int y = 0; y < seen.height; ++y) {
    uint8_t* out = seen.row(y);
    for (int x = 0; x < seen.width; ++x, out += 3) {
      int row = exchanged ? x : y;
      int column = exchanged ? y : x;
      if (rows_backwards) row = image.height - 1 - row;
      if (columns_backwards) column = image.width - 1 - column;
      const uint8_t* pixel = image.row(row) + static_cast<size_t>(column) * 3;
      out[0] = pixel[0], out[1] = pixel[1], out[2] = pixel[2];
    }
  }
  return seen;
}

}  // namespace tessera
