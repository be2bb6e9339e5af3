// CRC-32C (Castagnoli; RFC 3720, appendix B.4).
#pragma once

#include <cstdint>
#include <string_view>

namespace tessera {

uint32_t crc32c(std::string_view bytes);

// As records of TensorBoard's files have it: rotated right by 15, plus a constant, so that the checksum of data that
// hold checksums is not a special case.
uint32_t masked_crc32c(std::string_view bytes);

}  // namespace tessera
