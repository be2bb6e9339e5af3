#include "data/images/image.h"

#include <doctest/doctest.h>

#include <cstdlib>

#include "data/images/image_codecs.h"
#include "data/images/scratch_image.h"
#include "tensor/error.h"
#include "tests/data/images/image_files.h"

namespace tessera::image_test {

using tests::append;
using tests::Bytes;
using tests::chunk;
using tests::grey_channel;
using tests::picture;
using tests::png_row;

TEST_CASE("PNG is kept exactly") {
  for (auto [height, width] : {std::pair{1, 1}, {7, 5}, {64, 33}}) {
    const Image image = picture(height, width);
    const Image decoded = decode_image(encode_png(image), "x");
    CHECK(decoded.height == height);
    CHECK(decoded.width == width);
    CHECK(decoded.pixels == image.pixels);
  }
}

TEST_CASE("JPEG comes close, and closer at higher quality") {
  Image image = make_image(40, 52);
  for (int y = 0; y < 40; ++y)
    for (int x = 0; x < 52; ++x)
      for (int c = 0; c < 3; ++c) image.row(y)[x * 3 + c] = static_cast<uint8_t>(y * 2 + x * 2 + c * 30);
  const auto mean_difference = [&](int quality) {
    const Image decoded = decode_image(encode_jpeg(image, quality), "x");
    CHECK(decoded.height == 40);
    CHECK(decoded.width == 52);
    double sum = 0;
    for (size_t i = 0; i < image.pixels.size(); ++i) sum += std::abs(decoded.pixels[i] - image.pixels[i]);
    return sum / static_cast<double>(image.pixels.size());
  };
  // A ramp: at quality 95 the steps of quantisation are of a few levels (0.67 on average here); exchanged channels or
  // rows would give tens.
  CHECK(mean_difference(95) < 2);
  CHECK(mean_difference(95) < mean_difference(20));
}

// Values of Pillow 13 for the same bytes.
TEST_CASE("PNG pixel formats become RGB as Pillow makes it") {
  const auto decoded = [](const Bytes& file) { return decode_image(file, "x").pixels; };
  CHECK(grey_channel(decode_image(png_row(8, 1, 0, {0x55}), "x")) == Bytes{0, 255, 0, 255, 0, 255, 0, 255});
  CHECK(grey_channel(decode_image(png_row(4, 2, 0, {0x1b}), "x")) == Bytes{0, 85, 170, 255});
  CHECK(grey_channel(decode_image(png_row(4, 4, 0, {0x0f, 0x37}), "x")) == Bytes{0, 255, 51, 119});
  CHECK(grey_channel(decode_image(png_row(4, 16, 0, {0, 0, 0, 255, 1, 0, 0, 77}), "x")) == Bytes{0, 255, 255, 77});
  CHECK(decoded(png_row(1, 16, 4, {0x12, 0xff, 0x80, 0})) == Bytes{0x12, 0x12, 0x12});
  CHECK(decoded(png_row(1, 16, 6, {0x12, 0xff, 0x80, 0, 0x7f, 0xff, 0, 0})) == Bytes{0x12, 0x80, 0x7f});
  CHECK(decoded(png_row(1, 8, 6, {1, 2, 3, 0})) == Bytes{1, 2, 3});

  const Bytes palette = chunk("PLTE", {10, 20, 30, 40, 50, 60});
  CHECK(decoded(png_row(4, 8, 3, {0, 1, 2, 200}, palette)) == Bytes{10, 20, 30, 40, 50, 60, 0, 0, 0, 0, 0, 0});
  CHECK(decoded(png_row(4, 4, 3, {0x01, 0x2f}, palette)) == Bytes{10, 20, 30, 40, 50, 60, 0, 0, 0, 0, 0, 0});
  Bytes transparent = palette;
  append(transparent, chunk("tRNS", {0}));
  CHECK(decoded(png_row(2, 8, 3, {0, 1}, transparent)) == Bytes{10, 20, 30, 40, 50, 60});
  CHECK(decoded(png_row(1, 8, 2, {1, 2, 3}, chunk("tRNS", {0, 1, 0, 2, 0, 3}))) == Bytes{1, 2, 3});
}

TEST_CASE("a picture decoded into the memory of another") {
  Image large = make_image(40, 30), small = make_image(5, 7);
  for (size_t i = 0; i < large.pixels.size(); ++i) large.pixels[i] = static_cast<uint8_t>(i * 7);
  for (size_t i = 0; i < small.pixels.size(); ++i) small.pixels[i] = static_cast<uint8_t>(200 - i);
  Image reused;
  for (const Image* image : {&large, &small, &large}) {
    decode_image(encode_png(*image), "x", {}, reused);
    CHECK(reused.pixels == image->pixels);
    CHECK(reused.width == image->width);
    decode_image(encode_jpeg(*image, 90), "x", {}, reused);
    CHECK(reused.pixels == decode_image(encode_jpeg(*image, 90), "x").pixels);
  }
}

TEST_CASE("scratch pictures in use at once are different, and their memory comes back") {
  const uint8_t* first = nullptr;
  {
    ScratchImage a, b;
    set_size(*a, 20, 30);
    set_size(*b, 20, 30);
    CHECK(a->pixels.data() != b->pixels.data());
    first = a->pixels.data();
  }
  ScratchImage again;
  CHECK(again->pixels.data() == first);
}

TEST_CASE("what cannot be encoded") {
  CHECK_THROWS_WITH_AS(encode_jpeg(make_image(2, 2), 0), "encode_jpeg: quality is 0, expected 1 to 100", Error);
  CHECK_THROWS_WITH_AS(encode_jpeg(make_image(1, 65501), 75),
                       "encode_jpeg: the picture is 65501 x 1 pixels, the format allows 65500 a side", Error);
  CHECK_THROWS_WITH_AS(encode_png(Image{}), "encode_png: the picture is 0 x 0 pixels", Error);
}

}  // namespace tessera::image_test
