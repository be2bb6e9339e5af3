// Files that Pillow has decoded.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "data/images/image.h"
#include "data/images/image_codecs.h"
#include "io/files.h"

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

TEST_CASE("WebP and GIF of every form decode as in Pillow") {
  const std::string folder = std::string(TESSERA_SOURCE_DIR) + "/tests/data/images/web_forms/";
  for (const char* name : {"lossy.webp", "lossless.webp", "lossy_alpha.webp", "lossless_alpha.webp",
                           "lossless_alpha_exact.webp", "exif6.webp", "animated.webp", "global_palette.gif",
                           "interlaced.gif", "local_palette_offset.gif", "transparent_offset.gif", "beyond_canvas.gif",
                           "no_palette.gif", "beyond_palette.gif", "grey_ramp.gif", "full_table.gif", "animated.gif"}) {
    CAPTURE(name);
    // In memory that holds something else.
    Image image = make_image(60, 70);
    std::fill(image.pixels.begin(), image.pixels.end(), uint8_t{77});
    decode_image(read_file(folder + name), name, {}, image);
    const Image expected = read_image(folder + name + ".rgb.png");
    CHECK(image.width == expected.width);
    CHECK(image.pixels == expected.pixels);
  }
  const Image turned = read_image(folder + "exif6.webp", {.respect_orientation = true});
  CHECK(turned.pixels == apply_orientation(read_image(folder + "exif6.webp.rgb.png"), 6).pixels);
  CHECK(turned.width == 13);
}

}  // namespace tessera::image_reference_test
