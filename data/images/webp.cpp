// WebP by libwebp: lossy, lossless, with alpha; of an animation the first frame.
#include <webp/decode.h>
#include <webp/demux.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "data/images/image_codecs.h"
#include "data/images/transparency.h"
#include "tensor/error.h"

namespace tessera {
namespace {

struct DeleteDemuxer {
  void operator()(WebPDemuxer* demuxer) const { WebPDemuxDelete(demuxer); }
};
using Demuxer = std::unique_ptr<WebPDemuxer, DeleteDemuxer>;

// The length in the header counts what follows it.
bool is_truncated(std::span<const uint8_t> bytes) {
  uint32_t length = 0;
  for (size_t i = 0; i < 4; ++i) length |= uint32_t{bytes[4 + i]} << (8 * i);
  return uint64_t{length} + 8 > bytes.size();
}

const char* words(VP8StatusCode status) {
  switch (status) {
    case VP8_STATUS_OUT_OF_MEMORY: return "out of memory";
    case VP8_STATUS_NOT_ENOUGH_DATA: return "the data end too early";
    case VP8_STATUS_UNSUPPORTED_FEATURE: return "a form that libwebp does not know";
    default: return "the data are damaged";
  }
}

// Writes the frame straight to its place in the picture; libwebp checks it against the memory that is left there.
VP8StatusCode decode_frame(const WebPIterator& frame, Image& image) {
  WebPDecoderConfig config;
  if (!WebPInitDecoderConfig(&config)) return VP8_STATUS_UNSUPPORTED_FEATURE;
  const size_t first = (static_cast<size_t>(frame.y_offset) * image.width + frame.x_offset) * 3;
  config.output.colorspace = MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA.rgba = image.pixels.data() + first;
  config.output.u.RGBA.stride = image.width * 3;
  config.output.u.RGBA.size = image.pixels.size() - first;
  return WebPDecode(frame.fragment.bytes, frame.fragment.size, &config);
}

int orientation_of(const WebPDemuxer* demuxer) {
  WebPChunkIterator chunk;
  if (!WebPDemuxGetChunk(demuxer, "EXIF", 1, &chunk)) return 1;
  static constexpr char kPrefix[6] = {'E', 'x', 'i', 'f', 0, 0};  // JPEG's, which some programs write here, too
  std::span<const uint8_t> exif(chunk.chunk.bytes, chunk.chunk.size);
  if (exif.size() >= sizeof kPrefix && std::memcmp(exif.data(), kPrefix, sizeof kPrefix) == 0)
    exif = exif.subspan(sizeof kPrefix);
  const int orientation = exif_orientation(exif);
  WebPDemuxReleaseChunkIterator(&chunk);
  return orientation;
}

}  // namespace

DecodedImage decode_webp(std::span<const uint8_t> bytes, const std::string& name, const DecodeOptions& options,
                         Image reused) {
  // What libwebp makes of an even picture without loss: 24,000 pixels of a byte.
  constexpr int64_t kPixelsPerByte = 32768;
  const WebPData data{bytes.data(), bytes.size()};
  const Demuxer demuxer(WebPDemux(&data));
  check(demuxer != nullptr, name, ": WebP: ", is_truncated(bytes) ? "the file is truncated" : "the file is damaged");
  const int64_t height = WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_HEIGHT);
  const int64_t width = WebPDemuxGetI(demuxer.get(), WEBP_FF_CANVAS_WIDTH);
  check_image_size(height, width, name, options.max_pixels);
  check_bytes_can_hold(height, width, bytes.size(), kPixelsPerByte, name);

  DecodedImage decoded;
  Image& image = decoded.image;
  image = std::move(reused);
  set_size(image, static_cast<int>(height), static_cast<int>(width));
  WebPIterator frame;
  check(WebPDemuxGetFrame(demuxer.get(), 1, &frame) != 0, name, ": WebP: the file holds no picture");
  const bool inside = frame.x_offset >= 0 && frame.y_offset >= 0 && frame.width <= width - frame.x_offset &&
                      frame.height <= height - frame.y_offset;
  if (inside && (frame.width != width || frame.height != height)) std::ranges::fill(image.pixels, uint8_t{0});
  const VP8StatusCode status = inside ? decode_frame(frame, image) : VP8_STATUS_BITSTREAM_ERROR;
  WebPDemuxReleaseIterator(&frame);
  check(status == VP8_STATUS_OK, name, ": WebP: ", words(status));
  if (options.respect_orientation) decoded.orientation = orientation_of(demuxer.get());
  return decoded;
}

void add_webp_alpha(std::span<const uint8_t> bytes, const std::string& name, PictureWithAlpha& picture) {
  const WebPData data{bytes.data(), bytes.size()};
  const Demuxer demuxer(WebPDemux(&data));
  WebPIterator frame;
  check(demuxer != nullptr && WebPDemuxGetFrame(demuxer.get(), 1, &frame) != 0, name, ": WebP: the file is damaged");
  const bool has_alpha = (WebPDemuxGetI(demuxer.get(), WEBP_FF_FORMAT_FLAGS) & ALPHA_FLAG) != 0 || frame.has_alpha != 0;
  int width = 0, height = 0;
  uint8_t* rgba = has_alpha ? WebPDecodeRGBA(frame.fragment.bytes, frame.fragment.size, &width, &height) : nullptr;
  const int x = frame.x_offset, y = frame.y_offset;
  WebPDemuxReleaseIterator(&frame);
  if (!has_alpha) return;
  check(rgba != nullptr, name, ": WebP: the alpha channel is damaged");
  const std::unique_ptr<uint8_t, decltype(&WebPFree)> owned(rgba, &WebPFree);
  const Image& image = picture.image;
  check(x >= 0 && y >= 0 && width <= image.width - x && height <= image.height - y, name,
        ": WebP: the frame lies outside of the picture");
  picture.storage = PictureWithAlpha::Storage::alpha;
  // Around the frame the canvas is transparent.
  picture.alpha = make_image(image.height, image.width);
  for (int row = 0; row < height; ++row)
    for (int column = 0; column < width; ++column) {
      const size_t from = (static_cast<size_t>(row) * width + column) * 4 + 3;
      std::fill_n(picture.alpha.row(y + row) + size_t{3} * static_cast<size_t>(x + column), 3, rgba[from]);
    }
}

}  // namespace tessera
