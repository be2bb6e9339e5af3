// The decoders behind decode_image, for its use and their tests. Errors are those of decode_image.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "data/images/image.h"

namespace tessera {

struct DecodedImage {
  Image image;
  int orientation = 1;  // EXIF, 1 to 8; 1 where the file says nothing or options.respect_orientation is off
};

// The result takes over the memory of `reused`.
DecodedImage decode_jpeg(std::span<const uint8_t> bytes, const std::string& name, const DecodeOptions& options,
                         Image reused = {});
DecodedImage decode_png(std::span<const uint8_t> bytes, const std::string& name, const DecodeOptions& options,
                        Image reused = {});
// The first frame, in its place on the canvas.
DecodedImage decode_webp(std::span<const uint8_t> bytes, const std::string& name, const DecodeOptions& options,
                         Image reused = {});
DecodedImage decode_gif(std::span<const uint8_t> bytes, const std::string& name, const DecodeOptions& options,
                        Image reused = {});

// By the first bytes.
bool is_png(std::span<const uint8_t> bytes);
bool is_webp(std::span<const uint8_t> bytes);

struct PictureWithAlpha;
// Adds to a picture that decode_png or decode_webp has decoded from these bytes what decode_with_alpha tells of them.
void add_png_alpha(std::span<const uint8_t> bytes, const std::string& name, PictureWithAlpha& picture);
void add_webp_alpha(std::span<const uint8_t> bytes, const std::string& name, PictureWithAlpha& picture);

// For formats in which an even area takes next to nothing: up to 2048 x 2048 pixels are taken for what they say they
// are, more of them have to come with a byte for every `pixels_per_byte`.
inline constexpr int64_t kMaxPixelsOfFewBytes = int64_t{1} << 22;
void check_bytes_can_hold(int64_t height, int64_t width, size_t bytes, int64_t pixels_per_byte,
                          const std::string& name);

// The orientation tag (0x0112) of the first directory of a TIFF block, as EXIF stores it in JPEG (after "Exif\0\0"), in
// PNG's eXIf and in WebP's EXIF; 1 for anything that cannot be read or is not 1 to 8.
int exif_orientation(std::span<const uint8_t> tiff);

// The picture as it is meant to be seen: one of the eight flips and quarter turns.
Image apply_orientation(const Image& image, int orientation);

}  // namespace tessera
