#include "data/images/png_text.h"

#include <doctest/doctest.h>

#include "data/images/image.h"
#include "tensor/error.h"

namespace tessera::png_text_test {

namespace {

std::vector<uint8_t> small_png() {
  Image image;
  image.height = 2;
  image.width = 3;
  image.pixels = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18};
  return encode_png(image);
}

}  // namespace

TEST_CASE("A PNG keeps its picture and gets a text, which is read from its beginning") {
  const std::vector<uint8_t> png = small_png(), with = with_png_text(png, "Software", "a program");
  // libpng checks the chunk's checksum: with another one it warns or fails.
  CHECK(decode_image(with, "x.png").pixels == decode_image(png, "x.png").pixels);
  CHECK(png_text(with, "Software") == "a program");
  CHECK(png_text(std::span(with).first(100), "Software") == "a program");
  CHECK(with.size() == png.size() + 12 + 9 + 9);
  CHECK(png_text(with_png_text(png, "K", ""), "K") == "");
}

TEST_CASE("Other bytes have no text") {
  const std::vector<uint8_t> png = small_png(), with = with_png_text(png, "Software", "a program");
  CHECK_FALSE(png_text(png, "Software").has_value());
  CHECK_FALSE(png_text(with, "Comment").has_value());
  CHECK_FALSE(png_text(with, "Soft").has_value());
  // Signature and header, length and type, "Software" with its zero, the text; the checksum behind it is not asked for.
  for (size_t size = 0; size < 33 + 8 + 9 + 9; ++size)
    CHECK_FALSE(png_text(std::span(with).first(size), "Software").has_value());
  std::vector<uint8_t> planted = with;
  planted[1] = 'p';
  CHECK_FALSE(png_text(planted, "Software").has_value());
  planted = with;
  planted[33] = 0xff;  // a length beyond the end
  CHECK_FALSE(png_text(planted, "Software").has_value());
  planted = with;
  planted[36] = 3;  // shorter than its own keyword
  CHECK_FALSE(png_text(planted, "Software").has_value());
  CHECK_THROWS_AS(with_png_text(std::span(png).first(20), "Software", "x"), Error);
  CHECK_THROWS_AS(with_png_text(png, "", "x"), Error);
}

}  // namespace tessera::png_text_test
