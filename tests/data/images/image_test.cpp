#include "data/images/image.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>

#include "io/files.h"
#include "data/images/image_codecs.h"
#include "data/images/scratch_image.h"
#include "tensor/error.h"

namespace tessera::image_test {

using Bytes = std::vector<uint8_t>;

namespace {

Image picture(int height, int width) {
  Image image = make_image(height, width);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < 3; ++c) image.row(y)[x * 3 + c] = static_cast<uint8_t>(y * 5 + x * 3 + c * 60);
  return image;
}

Bytes reference_file(const char* name) { return read_file(std::string(TESSERA_GOLDEN_DIR) + "/data/resize/" + name); }

// One by one: g++ 12 with sanitizers warns falsely about vector::insert.
void append(Bytes& bytes, const Bytes& more) {
  for (uint8_t byte : more) bytes.push_back(byte);
}

Bytes big_endian(uint32_t value) {
  return {static_cast<uint8_t>(value >> 24), static_cast<uint8_t>(value >> 16), static_cast<uint8_t>(value >> 8),
          static_cast<uint8_t>(value)};
}

uint32_t chunk_checksum(const Bytes& bytes) {
  uint32_t crc = 0xffffffff;
  for (uint8_t byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc;
}

Bytes chunk(const char* name, const Bytes& data) {
  Bytes named(name, name + 4);
  append(named, data);
  Bytes result = big_endian(static_cast<uint32_t>(data.size()));
  append(result, named);
  append(result, big_endian(chunk_checksum(named)));
  return result;
}

// The data as one stored deflate block in a zlib stream.
Bytes stored_zlib(const Bytes& data) {
  const auto size = static_cast<uint16_t>(data.size());
  Bytes result = {0x78,
                  0x01,
                  1,
                  static_cast<uint8_t>(size),
                  static_cast<uint8_t>(size >> 8),
                  static_cast<uint8_t>(~size),
                  static_cast<uint8_t>(~size >> 8)};
  append(result, data);
  uint32_t a = 1, b = 0;
  for (uint8_t byte : data) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  append(result, big_endian(b << 16 | a));
  return result;
}

// A PNG of one row, whose bytes are `row`.
Bytes png_row(uint32_t width, uint8_t bits, uint8_t colour, Bytes row, const Bytes& chunks = {}, uint32_t height = 1) {
  Bytes header = big_endian(width);
  append(header, big_endian(height));
  append(header, {bits, colour, 0, 0, 0});
  Bytes file = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
  append(file, chunk("IHDR", header));
  append(file, chunks);
  row.insert(row.begin(), 0);  // no filter
  append(file, chunk("IDAT", stored_zlib(row)));
  append(file, chunk("IEND", {}));
  return file;
}

// A TIFF block with the orientation as its only tag.
Bytes tiff_orientation(uint8_t value, bool big) {
  if (big) return {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, value, 0, 0, 0, 0, 0, 0};
  return {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, value, 0, 0, 0, 0, 0, 0, 0};
}

Bytes grey_channel(const Image& image) {
  Bytes first;
  for (size_t i = 0; i < image.pixels.size(); i += 3) first.push_back(image.pixels[i]);
  return first;
}

}  // namespace

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

TEST_CASE("what is no picture") {
  CHECK_THROWS_WITH_AS(decode_image({}, "a.jpg"), "a.jpg: the file is empty", Error);
  const std::string page = "<html>";
  const Bytes html(page.begin(), page.end());
  CHECK_THROWS_WITH_AS(decode_image(html, "a.jpg"), "a.jpg: neither a JPEG nor a PNG file, going by its first bytes",
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

TEST_CASE("what cannot be encoded") {
  CHECK_THROWS_WITH_AS(encode_jpeg(make_image(2, 2), 0), "encode_jpeg: quality is 0, expected 1 to 100", Error);
  CHECK_THROWS_WITH_AS(encode_jpeg(make_image(1, 65501), 75),
                       "encode_jpeg: the picture is 65501 x 1 pixels, the format allows 65500 a side", Error);
  CHECK_THROWS_WITH_AS(encode_png(Image{}), "encode_png: the picture is 0 x 0 pixels", Error);
}

TEST_CASE("every proper beginning of a file is an error") {
  for (const Bytes& file :
       {encode_jpeg(picture(24, 24), 60), encode_png(picture(24, 24)), reference_file("two_by_three.png")})
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
        reference_file("cmyk.jpg"), reference_file("progressive.jpg"), reference_file("exif6.jpg")})
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
  CHECK(errors + pictures == 6 * 400);
  CHECK(errors > 100);
  CHECK(pictures > 100);
}

}  // namespace tessera::image_test
