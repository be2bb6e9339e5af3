// The CRC-32 of PNG and zip, bit by bit.
#pragma once

#include "tests/fuzz/targets.h"

namespace tessera::fuzz {

inline uint32_t crc32(Bytes bytes) {
  uint32_t crc = ~0u;
  for (const uint8_t byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0u);
  }
  return ~crc;
}

}  // namespace tessera::fuzz
