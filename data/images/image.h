// Pictures as 8-bit RGB, and their files. What a file decodes to is byte for byte what Pillow 13's
// `Image.open(file).convert("RGB")` gives, for every JPEG, PNG, WebP and GIF that both accept.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace tessera {

struct Image {
  int height = 0;
  int width = 0;
  std::vector<uint8_t> pixels;  // [height, width, 3], red green blue, 0..255

  const uint8_t* row(int y) const { return pixels.data() + static_cast<size_t>(y) * width * 3; }
  uint8_t* row(int y) { return pixels.data() + static_cast<size_t>(y) * width * 3; }
};

// The number at which Pillow refuses a picture as a decompression bomb (two thirds of 2^28). Seen in the header.
inline constexpr int64_t kMaxImagePixels = 178'956'970;

// A black picture. Throws when a side is not positive or the product exceeds kMaxImagePixels.
Image make_image(int height, int width);

// Gives the picture another size; its memory is used again, its pixels are to be overwritten. Throws as make_image
// does.
void set_size(Image& image, int height, int width);

// Throws unless both sides are positive and their product is at most `most`. `name` begins the message.
void check_image_size(int64_t height, int64_t width, const std::string& name, int64_t most = kMaxImagePixels);

// check_image_size, and the number of bytes has to fit the sides.
void check_image(const Image& image, const std::string& name);

struct DecodeOptions {
  // Turn the picture as its EXIF orientation says. ViLT's own code does not.
  bool respect_orientation = false;
  // Accept JPEG data that libjpeg decodes with a warning (it fills damaged parts with something). Pillow does.
  // Truncated files are refused in any case.
  bool accept_damaged = false;
  // More are refused before memory is taken for them; at most kMaxImagePixels.
  int64_t max_pixels = kMaxImagePixels;
};

// JPEG, PNG, WebP or GIF, told apart by content. Alpha is dropped, not blended; 16-bit colour keeps the high byte;
// 16-bit grey saturates at 255; CMYK is taken as Adobe writes it (inverted); of an animation the first frame is taken,
// in its place on the canvas. `name` begins each message. Throws tessera::Error for anything else than a whole picture:
// other formats, which are named where the first bytes tell them, truncated or damaged data, more pixels than
// kMaxImagePixels or than the bytes could hold. Safe on hostile bytes.
Image decode_image(std::span<const uint8_t> bytes, const std::string& name, const DecodeOptions& options = {});

// Into `image`, whose memory is used again.
void decode_image(std::span<const uint8_t> bytes, const std::string& name, const DecodeOptions& options, Image& image);

// decode_image of a file's bytes.
Image read_image(const std::filesystem::path& path, const DecodeOptions& options = {});

// Lossless, 8-bit RGB. The bytes depend on the picture and the libpng in use only.
std::vector<uint8_t> encode_png(const Image& image);

enum class Chroma : uint8_t {
  halved,  // in both directions (4:2:0): what most cameras write
  full,    // 4:4:4: keeps the colours of thin shapes
};

// Baseline JPEG, quality 1 to 100 on libjpeg's scale.
std::vector<uint8_t> encode_jpeg(const Image& image, int quality, Chroma chroma = Chroma::halved);

}  // namespace tessera
