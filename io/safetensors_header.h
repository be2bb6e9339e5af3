// The JSON header of a safetensors file (io/safetensors.h).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/shape.h"

namespace tessera::safetensors {

// The format's own bound on the header's length.
constexpr uint64_t kMaxHeaderBytes = 100'000'000;

struct Entry {
  std::string dtype;  // as the file spells it
  Shape shape;
  uint64_t begin = 0, end = 0;  // offsets into the data
};

struct Header {
  std::map<std::string, Entry> entries;
  std::map<std::string, std::string> metadata;
};

// Bytes of one element of a type of the format; 0 for a type that the reader does not know.
int64_t element_bytes(std::string_view dtype);

// Parses the header and checks it against the number of data bytes that follow it. Takes memory in proportion to
// `json`. `path` is for messages.
Header parse_header(std::string_view json, uint64_t data_bytes, const std::string& path);

// The header as JSON, padded with spaces to a multiple of 8 bytes.
std::string write_header(const std::vector<std::pair<std::string, Entry>>& entries,
                         const std::map<std::string, std::string>& metadata, const std::string& path);

}  // namespace tessera::safetensors
