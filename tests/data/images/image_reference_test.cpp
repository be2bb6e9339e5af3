// Files that Pillow has decoded.
#include <doctest/doctest.h>

#include <cstring>
#include <string>

#include "data/images/image.h"

namespace tessera::image_reference_test {

TEST_CASE("reference pictures decode exactly") {
  for (const char* name : {"cmyk.jpg", "exif6.jpg", "adam7.png", "grey16.png", "grey_alpha.png", "rgba.png",
                           "rgb16.png", "palette_transparent.png", "one_bit.png"}) {
    CAPTURE(name);
    const std::string folder = std::string(TESSERA_GOLDEN_DIR) + "/data/resize/";
    const std::string stem(name, std::strlen(name) - 4);
    CHECK(read_image(folder + name).pixels == read_image(folder + stem + ".rgb.png").pixels);
  }
}

TEST_CASE("JPEG of every colour space, sampling and coding decodes as in Pillow") {
  const std::string folder = std::string(TESSERA_GOLDEN_DIR) + "/data/jpeg_forms/";
  for (const char* name : {"410_progressive", "411", "440", "arithmetic", "cmyk_unmarked", "grey_2x2", "mixed_factors",
                           "restart", "rgb_adobe", "rgb_by_ids", "three_scans", "ycck"}) {
    CAPTURE(name);
    const Image image = read_image(folder + name + ".jpg"), expected = read_image(folder + name + ".rgb.png");
    CHECK(image.width == 21);
    CHECK(image.pixels == expected.pixels);
  }
}

}  // namespace tessera::image_reference_test
