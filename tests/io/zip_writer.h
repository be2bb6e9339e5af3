// Archives that are made by hand.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace tessera::tests {

// The CRC-32 of PNG and zip, bit by bit.
inline uint32_t crc32(std::span<const uint8_t> bytes) {
  uint32_t crc = ~0u;
  for (const uint8_t byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0u);
  }
  return ~crc;
}

// A zip archive whose members are stored as they are.
class ZipWriter {
 public:
  void add(std::string_view name, std::span<const uint8_t> contents) {
    const size_t at = bytes_.size();
    append(bytes_, 0x04034b50, 4);
    describe(bytes_, name, contents);
    bytes_.insert(bytes_.end(), name.begin(), name.end());
    bytes_.insert(bytes_.end(), contents.begin(), contents.end());
    append(directory_, 0x02014b50, 4);
    append(directory_, 20, 2);  // version of the writer
    describe(directory_, name, contents);
    append(directory_, 0, 2 + 2 + 2 + 4);  // comment, disk, attributes
    append(directory_, at, 4);
    directory_.insert(directory_.end(), name.begin(), name.end());
    ++count_;
  }
  std::vector<uint8_t> finish() {
    const size_t at = bytes_.size();
    bytes_.insert(bytes_.end(), directory_.begin(), directory_.end());
    append(bytes_, 0x06054b50, 4);
    append(bytes_, 0, 4);  // disks
    append(bytes_, count_, 2);
    append(bytes_, count_, 2);
    append(bytes_, directory_.size(), 4);
    append(bytes_, at, 4);
    append(bytes_, 0, 2);  // comment
    return bytes_;
  }

 private:
  // Little-endian.
  static void append(std::vector<uint8_t>& to, uint64_t value, int width) {
    for (int i = 0; i < width; ++i) to.push_back(i < 8 ? static_cast<uint8_t>(value >> (8 * i)) : uint8_t{0});
  }
  // What the local and the central header have in common: version, flags, method 0, time, checksum, sizes, lengths.
  static void describe(std::vector<uint8_t>& to, std::string_view name, std::span<const uint8_t> contents) {
    append(to, 20, 2);
    append(to, 0, 2 + 2 + 4);
    append(to, crc32(contents), 4);
    append(to, contents.size(), 4);
    append(to, contents.size(), 4);
    append(to, name.size(), 2);
    append(to, 0, 2);  // extra
  }

  std::vector<uint8_t> bytes_, directory_;
  size_t count_ = 0;
};

}  // namespace tessera::tests
