#include <doctest/doctest.h>

#include <algorithm>

#include "data/images/image_codecs.h"
#include "tests/data/images/image_files.h"

namespace tessera::orientation_test {

using tests::append;
using tests::Bytes;
using tests::chunk;
using tests::grey_channel;
using tests::picture;
using tests::png_row;
using tests::reference_file;
using tests::tiff_orientation;

TEST_CASE("the eight orientations") {
  // a b c
  // d e f   as pixels of one grey level
  Image image = make_image(2, 3);
  const auto set = [](Image& of, const char* letters) {
    for (size_t i = 0; i < of.pixels.size(); ++i) of.pixels[i] = static_cast<uint8_t>(letters[i / 3]);
  };
  set(image, "abcdef");
  const char* const seen[] = {"abcdef", "cbafed", "fedcba", "defabc", "adbecf", "daebfc", "fcebda", "cfbead"};
  for (int orientation = 1; orientation <= 8; ++orientation) {
    CAPTURE(orientation);
    const Image turned = apply_orientation(image, orientation);
    CHECK(turned.height == (orientation < 5 ? 2 : 3));
    CHECK(turned.width == (orientation < 5 ? 3 : 2));
    const Bytes letters = grey_channel(turned);
    CHECK(std::string(letters.begin(), letters.end()) == seen[orientation - 1]);
    for (bool big : {false, true})
      CHECK(exif_orientation(tiff_orientation(static_cast<uint8_t>(orientation), big)) == orientation);
  }
}

TEST_CASE("files of all eight orientations, JPEG and PNG, of both byte orders") {
  const Image image = picture(5, 9);
  const Bytes plain_jpeg = encode_jpeg(image, 90), plain_png = encode_png(image);
  const Image stored = decode_image(plain_jpeg, "x");
  constexpr size_t kJpegStart = 2, kPngStart = 33;  // after the first marker; after the header chunk
  const auto with = [](const Bytes& file, size_t place, const Bytes& inserted) {
    Bytes out(file.begin(), file.begin() + static_cast<int64_t>(place));
    append(out, inserted);
    append(out, Bytes(file.begin() + static_cast<int64_t>(place), file.end()));
    return out;
  };
  for (int orientation = 1; orientation <= 8; ++orientation) {
    for (const bool big : {false, true}) {
      CAPTURE(orientation);
      const Bytes tiff = tiff_orientation(static_cast<uint8_t>(orientation), big);
      Bytes marker = {0xff, 0xe1, 0, static_cast<uint8_t>(tiff.size() + 8), 'E', 'x', 'i', 'f', 0, 0};
      append(marker, tiff);
      const Bytes jpeg = with(plain_jpeg, kJpegStart, marker);
      const Bytes png = with(plain_png, kPngStart, chunk("eXIf", tiff));
      CHECK(decode_image(jpeg, "x").pixels == stored.pixels);
      CHECK(decode_image(png, "x").pixels == image.pixels);
      const DecodeOptions respecting{.respect_orientation = true};
      CHECK(decode_image(jpeg, "x", respecting).pixels == apply_orientation(stored, orientation).pixels);
      CHECK(decode_image(png, "x", respecting).pixels == apply_orientation(image, orientation).pixels);
      CHECK(decode_image(png, "x", respecting).height == (orientation < 5 ? 5 : 9));
    }
  }
}

TEST_CASE("orientation is followed on request, and nonsense is none") {
  const Bytes turned = png_row(2, 8, 0, {1, 2}, chunk("eXIf", tiff_orientation(6, true)));
  CHECK(decode_image(turned, "x").width == 2);
  CHECK(decode_image(turned, "x", {.respect_orientation = true}).height == 2);
  const Bytes jpeg = reference_file("exif6.jpg");
  const Image stored = decode_image(jpeg, "x");
  const Image seen = decode_image(jpeg, "x", {.respect_orientation = true});
  CHECK(seen.pixels == apply_orientation(stored, 6).pixels);
  CHECK(seen.height == stored.width);

  for (uint8_t value : {uint8_t{0}, uint8_t{9}}) CHECK(exif_orientation(tiff_orientation(value, false)) == 1);
  const Bytes whole = tiff_orientation(6, true);  // the value ends at byte 20
  for (size_t length = 0; length < 20; ++length) CHECK(exif_orientation(std::span(whole).first(length)) == 1);
  Bytes far = tiff_orientation(6, true);
  std::fill_n(far.begin() + 4, 4, uint8_t{0xff});  // the directory lies at 4 GiB
  CHECK(exif_orientation(far) == 1);
}

}  // namespace tessera::orientation_test
