#include "tests/fuzz/image.h"

namespace tessera::fuzz {

void jpeg(Bytes bytes) {
  constexpr int64_t kPixelsPerByte = 2048;  // data/images/jpeg.cpp
  for (const bool tolerant : {false, true}) {
    DecodedImage decoded;
    const DecodeOptions options{.respect_orientation = true, .accept_damaged = tolerant};
    if (accepted([&] { decoded = decode_jpeg(bytes, "fuzz", options); }))
      check_decoded(decoded, kPixelsPerByte * static_cast<int64_t>(bytes.size() + 1));
  }
}

}  // namespace tessera::fuzz
