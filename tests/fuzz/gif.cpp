#include <algorithm>

#include "tests/fuzz/image.h"

namespace tessera::fuzz {

void gif(Bytes bytes) {
  constexpr int64_t kPixelsPerByte = 2730;  // data/images/gif.cpp
  DecodedImage decoded;
  if (accepted([&] { decoded = decode_gif(bytes, "fuzz", {}); }))
    check_decoded(decoded, std::max(kMaxPixelsOfFewBytes, kPixelsPerByte * static_cast<int64_t>(bytes.size() + 1)));
}

}  // namespace tessera::fuzz
