#include <algorithm>

#include "data/images/transparency.h"
#include "tests/fuzz/image.h"

namespace tessera::fuzz {

void webp(Bytes bytes) {
  constexpr int64_t kPixelsPerByte = 32768;  // data/images/webp.cpp
  DecodedImage decoded;
  if (bytes.size() < 12) return;  // decode_image has looked at so many
  if (!accepted([&] { decoded = decode_webp(bytes, "fuzz", {.respect_orientation = true}); })) return;
  check_decoded(decoded, std::max(kMaxPixelsOfFewBytes, kPixelsPerByte * static_cast<int64_t>(bytes.size() + 1)));
  PictureWithAlpha picture{.image = std::move(decoded.image), .alpha = {}};
  if (!accepted([&] { add_webp_alpha(bytes, "fuzz", picture); })) return;
  const size_t alpha = picture.alpha.pixels.size();
  ensure(alpha == 0 || alpha == picture.image.pixels.size(), "alpha of another size");
}

}  // namespace tessera::fuzz
