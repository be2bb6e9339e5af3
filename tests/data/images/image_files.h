// Image files made byte by byte, for the tests of the readers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/images/image.h"
#include "io/files.h"

namespace tessera::tests {

using Bytes = std::vector<uint8_t>;

inline Image picture(int height, int width) {
  Image image = make_image(height, width);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < 3; ++c) image.row(y)[x * 3 + c] = static_cast<uint8_t>(y * 5 + x * 3 + c * 60);
  return image;
}

inline Bytes reference_file(const char* name) {
  return read_file(std::string(TESSERA_GOLDEN_DIR) + "/data/resize/" + name);
}

inline Bytes web_file(const char* name) {
  return read_file(std::string(TESSERA_SOURCE_DIR) + "/tests/data/images/web_forms/" + name);
}

// One by one: g++ 12 with sanitizers warns falsely about vector::insert.
inline void append(Bytes& bytes, const Bytes& more) {
  for (uint8_t byte : more) bytes.push_back(byte);
}

inline Bytes big_endian(uint32_t value) {
  return {static_cast<uint8_t>(value >> 24), static_cast<uint8_t>(value >> 16), static_cast<uint8_t>(value >> 8),
          static_cast<uint8_t>(value)};
}

inline uint32_t chunk_checksum(const Bytes& bytes) {
  uint32_t crc = 0xffffffff;
  for (uint8_t byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc;
}

inline Bytes chunk(const char* name, const Bytes& data) {
  Bytes named(name, name + 4);
  append(named, data);
  Bytes result = big_endian(static_cast<uint32_t>(data.size()));
  append(result, named);
  append(result, big_endian(chunk_checksum(named)));
  return result;
}

// The data as one stored deflate block in a zlib stream.
inline Bytes stored_zlib(const Bytes& data) {
  const auto size = static_cast<uint16_t>(data.size());
  Bytes result = {0x78,
                  0x01,
                  1,
                  static_cast<uint8_t>(size),
                  static_cast<uint8_t>(size >> 8),
                  static_cast<uint8_t>(~size),
                  static_cast<uint8_t>(~size >> 8)};
  append(result, data);
  uint32_t a = 1, b = 0;
  for (uint8_t byte : data) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  append(result, big_endian(b << 16 | a));
  return result;
}

// A PNG of one row, whose bytes are `row`.
inline Bytes png_row(uint32_t width, uint8_t bits, uint8_t colour, Bytes row, const Bytes& chunks = {},
                     uint32_t height = 1) {
  Bytes header = big_endian(width);
  append(header, big_endian(height));
  append(header, {bits, colour, 0, 0, 0});
  Bytes file = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  append(file, chunk("IHDR", header));
  append(file, chunks);
  row.insert(row.begin(), 0);  // no filter
  append(file, chunk("IDAT", stored_zlib(row)));
  append(file, chunk("IEND", {}));
  return file;
}

// A TIFF block with the orientation as its only tag.
inline Bytes tiff_orientation(uint8_t value, bool big) {
  if (big) return {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, value, 0, 0, 0, 0, 0, 0};
  return {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, value, 0, 0, 0, 0, 0, 0, 0};
}

inline Bytes grey_channel(const Image& image) {
  Bytes first;
  for (size_t i = 0; i < image.pixels.size(); i += 3) first.push_back(image.pixels[i]);
  return first;
}

}  // namespace tessera::tests
