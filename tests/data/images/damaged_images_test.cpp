// Files that are no picture, lie about their size, end early or are damaged.
#include <doctest/doctest.h>

#include <algorithm>

#include "data/images/image_codecs.h"
#include "tensor/error.h"
#include "tests/data/images/image_files.h"

namespace tessera::damaged_images_test {

using tests::append;
using tests::Bytes;
using tests::chunk;
using tests::grey_channel;
using tests::picture;
using tests::png_row;
using tests::reference_file;
using tests::tiff_orientation;
using tests::web_file;

TEST_CASE("what is no picture") {
  CHECK_THROWS_WITH_AS(decode_image({}, "a.jpg"), "a.jpg: the file is empty, expected a JPEG, PNG, WebP or GIF picture",
                       Error);
  const std::string page = "<html>";
  const Bytes html(page.begin(), page.end());
  CHECK_THROWS_WITH_AS(decode_image(html, "a.jpg"),
                       "a.jpg: the file is an HTML page (what a server sent instead of the file?), expected a JPEG, "
                       "PNG, WebP or GIF picture",
                       Error);
  CHECK_THROWS_WITH_AS(read_image("/nowhere/a.jpg"), doctest::Contains("cannot open /nowhere/a.jpg"), Error);
  CHECK_THROWS_WITH_AS(make_image(0, 3), "image: the picture is 3 x 0 pixels", Error);
}

TEST_CASE("sizes are checked before memory is taken") {
  CHECK_THROWS_WITH_AS(decode_image(png_row(60000, 8, 2, {1, 2, 3}, {}, 60000), "a"),
                       "a: the picture is 60000 x 60000 pixels, the limit is 178956970 in all", Error);
  CHECK_THROWS_WITH_AS(decode_image(png_row(13000, 8, 2, {1, 2, 3}, {}, 13000), "a"),
                       "a: PNG header says 13000 x 13000 pixels, more than its 72 bytes can hold", Error);
  CHECK_THROWS_WITH_AS(decode_image(png_row(0, 8, 2, {}), "a"), "a: PNG: Invalid IHDR data", Error);

  Bytes long_chunk = png_row(2, 8, 0, {1, 2}, chunk("eXIf", tiff_orientation(6, true)));
  const size_t length = 8 + 25;
  long_chunk[length] = 0x20;       // 512 MiB
  long_chunk[length - 1] ^= 0xff;  // a wrong checksum: libpng would complain of that first
  for (bool respect : {false, true})
    CHECK_THROWS_WITH_AS(decode_image(long_chunk, "a", {.respect_orientation = respect}),
                         "a: PNG: the file is truncated", Error);

  Bytes jpeg = encode_jpeg(picture(16, 16), 75);
  const uint8_t marker[] = {0xff, 0xc0};
  const auto frame = std::search(jpeg.begin(), jpeg.end(), std::begin(marker), std::end(marker));
  REQUIRE(frame != jpeg.end());
  const auto claim = [&](uint8_t height, uint8_t width) {  // in units of 256 pixels
    frame[5] = height, frame[6] = 0, frame[7] = width, frame[8] = 0;
  };
  claim(0xf0, 0xf0);
  CHECK_THROWS_WITH_AS(decode_image(jpeg, "a"), "a: the picture is 61440 x 61440 pixels, the limit is 178956970 in all",
                       Error);
  claim(0x30, 0x30);
  CHECK_THROWS_WITH_AS(decode_image(jpeg, "a"),
                       doctest::Contains("a: JPEG header says 12288 x 12288 pixels, more than its "), Error);
  for (int kind : {2, 9}) {  // a progressive frame, an arithmetic-coded one
    frame[1] = static_cast<uint8_t>(0xc0 + kind);
    CHECK_THROWS_WITH_AS(decode_image(jpeg, "a"), doctest::Contains("more than its "), Error);
  }
  frame[1] = 0xc0;
  claim(0, 1);
  CHECK_THROWS_WITH_AS(decode_image(jpeg, "a"), "a: JPEG: Empty JPEG image (DNL not supported)", Error);

  // The canvas' sides: 16 bits from byte 6 on; the sides less one in 24 bits from byte 24 on.
  Bytes gif = web_file("no_palette.gif"), webp = web_file("animated.webp");
  for (const size_t at : {7u, 9u}) gif[at] = 0xff;
  for (const size_t at : {25u, 28u}) webp[at] = 0xff;
  CHECK_THROWS_WITH_AS(decode_image(gif, "a"), "a: the picture is 65301 x 65293 pixels, the limit is 178956970 in all",
                       Error);
  CHECK_THROWS_WITH_AS(decode_image(webp, "a"), "a: the picture is 65310 x 65300 pixels, the limit is 178956970 in all",
                       Error);
  for (const size_t at : {7u, 9u}) gif[at] = 0x30;
  for (const size_t at : {25u, 28u}) webp[at] = 0x30;
  CHECK_THROWS_WITH_AS(decode_image(gif, "a"),
                       "a: the header says 12309 x 12301 pixels, more than its 194 bytes can hold", Error);
  CHECK_THROWS_WITH_AS(decode_image(webp, "a"),
                       "a: the header says 12318 x 12308 pixels, more than its 768 bytes can hold", Error);
}

TEST_CASE("a caller's own limit of pixels holds for every format, before memory is taken") {
  const std::vector<Bytes> files = {encode_jpeg(picture(16, 16), 75), encode_png(picture(16, 16)),
                                    web_file("animated.gif"), web_file("lossy.webp")};
  for (const Bytes& file : files) {
    const Image image = decode_image(file, "a");
    const int64_t pixels = int64_t{image.height} * image.width;
    CHECK(decode_image(file, "a", {.max_pixels = pixels}).pixels == image.pixels);
    CHECK_THROWS_WITH_AS(decode_image(file, "a", {.max_pixels = pixels - 1}),
                         doctest::Contains(("the limit is " + std::to_string(pixels - 1) + " in all").c_str()), Error);
  }
}

TEST_CASE("damaged JPEG data are an error unless they are to be accepted; a truncated file always is") {
  Bytes jpeg = encode_jpeg(picture(64, 64), 75);
  Bytes damaged = jpeg;
  // An end marker in the middle of the data, the real one still at the end.
  damaged[jpeg.size() - 120] = 0xff;
  damaged[jpeg.size() - 119] = 0xd9;
  CHECK_THROWS_WITH_AS(decode_image(damaged, "a"), "a: JPEG: Corrupt JPEG data: premature end of data segment", Error);
  CHECK(decode_image(damaged, "a", {.accept_damaged = true}).height == 64);

  jpeg.erase(jpeg.end() - 2, jpeg.end());
  for (bool accept : {false, true})
    CHECK_THROWS_WITH_AS(decode_image(jpeg, "a", {.accept_damaged = accept}), "a: JPEG: Premature end of JPEG file",
                         Error);
}

TEST_CASE("a wrong checksum of a PNG chunk is an error") {
  Bytes png = png_row(2, 8, 0, {1, 2}, chunk("tEXt", {'a', 0, 'b'}));
  CHECK(grey_channel(decode_image(png, "a")) == Bytes{1, 2});
  const size_t text_data = 8 + 25 + 8;
  REQUIRE(png[text_data] == 'a');
  png[text_data] = 'c';
  CHECK_THROWS_WITH_AS(decode_image(png, "a"), "a: PNG: tEXt: CRC error", Error);
}

TEST_CASE("a JPEG with more scans than any real one") {
  Bytes jpeg = read_file(std::string(TESSERA_GOLDEN_DIR) + "/data/resize/progressive.jpg");
  const uint8_t marker[] = {0xff, 0xda};
  const auto scan = std::find_end(jpeg.begin(), jpeg.end(), std::begin(marker), std::end(marker));
  REQUIRE(scan != jpeg.end());
  const Bytes last(scan, jpeg.end() - 2);
  Bytes many(jpeg.begin(), scan);
  for (int i = 0; i < 200; ++i) append(many, last);
  append(many, {0xff, 0xd9});
  CHECK_THROWS_WITH_AS(decode_image(many, "a", {.accept_damaged = true}), "a: JPEG: more than 100 scans", Error);
}

TEST_CASE("GIF and WebP that hold no whole picture") {
  const Bytes gif = web_file("animated.gif");
  CHECK_THROWS_WITH_AS(decode_image(Bytes{'G', 'I', 'F', '8', '9', 'a', 1, 0, 1, 0, 0, 0, 0, ';'}, "a"),
                       "a: GIF: the file holds no picture", Error);
  CHECK_THROWS_WITH_AS(decode_image(std::span(gif).first(150), "a"), "a: GIF: the file is truncated or damaged", Error);
  const Bytes webp = web_file("lossy.webp");
  CHECK_THROWS_WITH_AS(decode_image(std::span(webp).first(100), "a"), "a: WebP: the file is truncated", Error);
  Bytes damaged = webp;
  damaged[23] ^= 0xff;  // of the three bytes that begin a key frame
  CHECK_THROWS_WITH_AS(decode_image(damaged, "a"), doctest::Contains("a: WebP: the "), Error);
}

TEST_CASE("every proper beginning of a file is an error") {
  Bytes gif = web_file("interlaced.gif");
  gif.pop_back();  // the mark of the end, which Pillow does not ask for either
  CHECK(decode_image(gif, "a").width == 21);
  for (const Bytes& file :
       {encode_jpeg(picture(24, 24), 60), encode_png(picture(24, 24)), reference_file("two_by_three.png"), gif,
        web_file("lossy.webp"), web_file("lossless_alpha.webp"), web_file("animated.webp")})
    for (size_t length = 0; length < file.size(); ++length) {
      CAPTURE(length);
      REQUIRE_THROWS_AS(decode_image(std::span(file).first(length), "a"), Error);
    }
}

TEST_CASE("random damage gives a picture or an error, never a crash") {
  uint32_t state = 12345;
  const auto random = [&](size_t below) {
    return static_cast<size_t>((state = state * 1664525u + 1013904223u) >> 8) % below;
  };
  int errors = 0, pictures = 0;
  for (const Bytes& file :
       {encode_jpeg(picture(40, 24), 60), encode_png(picture(24, 24)), reference_file("palette_transparent.png"),
        reference_file("cmyk.jpg"), reference_file("progressive.jpg"), reference_file("exif6.jpg"),
        web_file("lossy_alpha.webp"), web_file("animated.webp"), web_file("transparent_offset.gif")})
    for (int i = 0; i < 400; ++i) {
      Bytes damaged = file;
      for (size_t n = random(3) + 1; n > 0; --n) damaged[random(file.size())] = static_cast<uint8_t>(random(256));
      try {
        const Image image = decode_image(damaged, "a", {.respect_orientation = true, .accept_damaged = i % 2 == 0});
        pictures += image.pixels.size() == static_cast<size_t>(image.height) * image.width * 3;
      } catch (const Error&) {
        ++errors;
      }
    }
  CHECK(errors + pictures == 9 * 400);
  CHECK(errors > 100);
  CHECK(pictures > 100);
}

}  // namespace tessera::damaged_images_test
