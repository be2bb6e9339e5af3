#include "data/images/image_codecs.h"
#include "tests/fuzz/targets.h"

namespace tessera::fuzz {

void orientation(Bytes bytes) {
  const int orientation = exif_orientation(bytes);
  ensure(orientation >= 1 && orientation <= 8, "orientation ", orientation);
  Image image = make_image(2, 3);
  for (size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<uint8_t>(i);
  const Image turned = apply_orientation(image, orientation);
  check_image(turned, "turned");
  ensure(turned.height == (orientation >= 5 ? 3 : 2), "height ", turned.height);
}

}  // namespace tessera::fuzz
