#include <algorithm>
#include <array>

#include "data/images/image.h"
#include "data/images/image_codecs.h"
#include "io/file_kind.h"
#include "io/files.h"
#include "io/printable.h"
#include "tensor/error.h"

namespace tessera {
namespace {

constexpr std::array<uint8_t, 3> kJpegMagic = {0xff, 0xd8, 0xff};
constexpr std::array<uint8_t, 4> kGifMagic = {'G', 'I', 'F', '8'};
constexpr std::array<uint8_t, 8> kPngMagic = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

template <size_t size>
bool starts_with(std::span<const uint8_t> bytes, const std::array<uint8_t, size>& magic) {
  return bytes.size() >= size && std::equal(magic.begin(), magic.end(), bytes.begin());
}

}  // namespace

bool is_png(std::span<const uint8_t> bytes) { return starts_with(bytes, kPngMagic); }

// RIFF, a length, WEBP
bool is_webp(std::span<const uint8_t> bytes) {
  static constexpr std::array<uint8_t, 4> kRiff = {'R', 'I', 'F', 'F'}, kWebp = {'W', 'E', 'B', 'P'};
  return bytes.size() >= 12 && starts_with(bytes, kRiff) && starts_with(bytes.subspan(8), kWebp);
}

void check_bytes_can_hold(int64_t height, int64_t width, size_t bytes, int64_t pixels_per_byte,
                          const std::string& name) {
  const int64_t pixels = height * width;
  check(pixels <= kMaxPixelsOfFewBytes || pixels / pixels_per_byte <= static_cast<int64_t>(bytes), name,
        ": the header says ", width, " x ", height, " pixels, more than its ", bytes, " bytes can hold");
}

void check_image_size(int64_t height, int64_t width, const std::string& name, int64_t most) {
  check(height > 0 && width > 0, name, ": the picture is ", width, " x ", height, " pixels");
  check(width <= most / height, name, ": the picture is ", width, " x ", height, " pixels, the limit is ", most,
        " in all");
}

void check_image(const Image& image, const std::string& name) {
  check_image_size(image.height, image.width, name);
  check(image.pixels.size() == static_cast<size_t>(image.height) * image.width * 3, name, ": the picture has ",
        image.pixels.size(), " bytes, expected 3 for each of ", image.width, " x ", image.height, " pixels");
}

Image make_image(int height, int width) {
  check_image_size(height, width, "image");
  return {height, width, std::vector<uint8_t>(static_cast<size_t>(height) * width * 3)};
}

void set_size(Image& image, int height, int width) {
  check_image_size(height, width, "image");
  image.height = height;
  image.width = width;
  image.pixels.resize(static_cast<size_t>(height) * width * 3);
}

void decode_image(std::span<const uint8_t> bytes, const std::string& name, const DecodeOptions& options, Image& image) {
  DecodedImage decoded;
  if (starts_with(bytes, kJpegMagic))
    decoded = decode_jpeg(bytes, name, options, std::move(image));
  else if (is_png(bytes))
    decoded = decode_png(bytes, name, options, std::move(image));
  else if (is_webp(bytes))
    decoded = decode_webp(bytes, name, options, std::move(image));
  else if (starts_with(bytes, kGifMagic))
    decoded = decode_gif(bytes, name, options, std::move(image));
  else
    fail(name, ": ", wrong_kind(bytes, "a JPEG, PNG, WebP or GIF picture"));
  image = decoded.orientation == 1 ? std::move(decoded.image) : apply_orientation(decoded.image, decoded.orientation);
}

Image decode_image(std::span<const uint8_t> bytes, const std::string& name, const DecodeOptions& options) {
  Image image;
  decode_image(bytes, name, options, image);
  return image;
}

Image read_image(const std::filesystem::path& path, const DecodeOptions& options) {
  return decode_image(read_file(path), shown(path), options);
}

}  // namespace tessera
