// Reader and writer of the safetensors format:
//
//   8 bytes   length of the header, little-endian
//   header    JSON object: name → {"dtype", "shape", "data_offsets": [begin, end)}, and "__metadata__": string →
//             string; may end in spaces
//   data      the tensors' elements, row-major, little-endian, without gaps or overlap
//
// The reader is strict: a file that breaks one of the format's rules is an error that names the file and the tensor.
// Files are untrusted: every size is checked against the file's before memory is taken, so a hostile header can
// neither crash nor over-allocate.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace tessera {

using NamedTensors = std::map<std::string, Tensor>;

struct SafeTensors {
  NamedTensors tensors;
  std::map<std::string, std::string> metadata;
  std::map<std::string, std::string> converted;  // tensors of another type in the file → that type, as it spells it
  std::string path;                              // for messages

  // An error that names the file, the tensor and the tensors that there are.
  const Tensor& at(const std::string& name) const;
  bool contains(const std::string& name) const { return tensors.count(name) != 0; }
};

// Types: F32, F64, BF16, I64 and U8 are read as they are; F16 becomes f32, I32 becomes i64, BOOL becomes u8 (0 or 1).
// Any other type is an error.
SafeTensors load_safetensors(const std::string& path);
// The same from a file's bytes; `name` is for messages.
SafeTensors parse_safetensors(std::span<const uint8_t> bytes, const std::string& name);

// Writes beside `path`, flushes to disk and renames, so that `path` holds the old contents or the new, never a part.
// The data is aligned to the elements' size; equal contents give equal bytes.
void save_safetensors(const std::string& path, const NamedTensors& tensors,
                      const std::map<std::string, std::string>& metadata = {});
// The bytes that save_safetensors writes.
std::vector<uint8_t> safetensors_bytes(const NamedTensors& tensors,
                                       const std::map<std::string, std::string>& metadata = {});

}  // namespace tessera
