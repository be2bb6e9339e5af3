#include <cstring>

#include "io/safetensors.h"
#include "tests/fuzz/targets.h"

namespace tessera::fuzz {
namespace {

bool same_bits(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype() || a.shape() != b.shape()) return false;
  return a.numel() == 0 || dispatch_any(a.dtype(), [&](auto tag) {
           using T = decltype(tag);
           return std::memcmp(a.data<T>(), b.data<T>(), static_cast<size_t>(a.bytes())) == 0;
         });
}

}  // namespace

// What was read can be written and read again, and writing that gives the same bytes.
void safetensors(Bytes bytes) {
  SafeTensors file;
  if (!accepted([&] { file = parse_safetensors(bytes, "fuzz"); })) return;
  uint64_t held = 0;
  for (const auto& item : file.tensors) held += static_cast<uint64_t>(item.second.bytes());
  ensure(held <= 2 * bytes.size(), bytes.size(), " bytes became tensors of ", held);
  const std::vector<uint8_t> written = safetensors_bytes(file.tensors, file.metadata);
  const SafeTensors again = parse_safetensors(written, "written");
  ensure(again.metadata == file.metadata && again.tensors.size() == file.tensors.size(), "the names changed");
  for (const auto& [name, tensor] : file.tensors)
    ensure(same_bits(again.at(name), tensor), "tensor '", name, "' changed");
  ensure(safetensors_bytes(again.tensors, again.metadata) == written, "the bytes changed");
}

}  // namespace tessera::fuzz
