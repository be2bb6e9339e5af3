#include "tensor/cuda/kernel_name.h"

#include <algorithm>
#include <string_view>

namespace tessera::cuda {

std::string kernel_name(std::string signature) {
  constexpr std::string_view kBefore = "kernel = ";
  if (const size_t at = signature.find(kBefore); at != std::string::npos) {
    signature.erase(0, at + kBefore.size());
    for (const char* after : {"; Arguments", ", Arguments", "]"})
      signature.resize(std::min(signature.size(), signature.find(after)));
    if (signature.starts_with('&')) signature.erase(0, 1);
  }
  constexpr std::string_view kUnnamed = "_GLOBAL__N_", kEnd = "::";  // nvcc's: "_GLOBAL__N__8411f79b_10_softmax_cu::"
  for (size_t at = signature.find(kUnnamed); at != std::string::npos; at = signature.find(kUnnamed)) {
    const size_t end = signature.find(kEnd, at);
    signature.erase(at, end == std::string::npos ? end : end + kEnd.size() - at);
  }
  for (const std::string_view space : {"tessera::cuda::", "{anonymous}::", "(anonymous namespace)::", "tessera::"})
    for (size_t at = signature.find(space); at != std::string::npos; at = signature.find(space))
      signature.erase(at, space.size());
  return signature;
}

}  // namespace tessera::cuda
