// JPEG by libjpeg. Its errors arrive in a C callback and leave by longjmp, never by an exception, because the library's
// frames lie between; so between setjmp and longjmp no object with a destructor is made (see `guarded`).
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include <jpeglib.h>
// After jpeglib.h:
#include <jerror.h>

#include "data/images/image_codecs.h"
#include "tensor/error.h"

namespace tessera {
namespace {

// A useful progressive file has one scan per bit plane and band, about ten; a hostile one makes each of thousands of
// scans walk over a large picture.
constexpr int kMaxScans = 100;

struct ErrorManager {
  jpeg_error_mgr base;  // first, so that libjpeg's pointer to it is a pointer to this
  std::jmp_buf escape;
  char message[JMSG_LENGTH_MAX];
  bool accept_damaged;
};

[[noreturn]] void leave(j_common_ptr info) {
  auto* errors = reinterpret_cast<ErrorManager*>(info->err);
  info->err->format_message(info, errors->message);
  std::longjmp(errors->escape, 1);
}

// Level -1 is a warning: the data are damaged and libjpeg would go on with something of its own.
void on_message(j_common_ptr info, int level) {
  if (level >= 0) return;
  const int code = info->err->msg_code;
  const bool harmless = code == JWRN_JFIF_MAJOR || code == JWRN_ADOBE_XFORM;
  const bool truncated = code == JWRN_JPEG_EOF;
  if (!harmless && (truncated || !reinterpret_cast<ErrorManager*>(info->err)->accept_damaged)) leave(info);
}

void on_progress(j_common_ptr info) {
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= kMaxScans) return;
  auto* errors = reinterpret_cast<ErrorManager*>(info->err);
  std::snprintf(errors->message, sizeof errors->message, "more than %d scans", kMaxScans);
  std::longjmp(errors->escape, 1);
}

void set_up(ErrorManager& errors, bool accept_damaged) {
  jpeg_std_error(&errors.base);
  errors.base.error_exit = leave;
  errors.base.emit_message = on_message;
  errors.message[0] = '\0';
  errors.accept_damaged = accept_damaged;
}

// Runs libjpeg calls; false when one of them failed. `body` may make no object with a destructor.
template <class Body>
bool guarded(ErrorManager& errors, const Body& body) {
  if (setjmp(errors.escape) != 0) return false;
  body();
  return true;
}

class Decompressor {
 public:
  Decompressor(std::span<const uint8_t> bytes, bool accept_damaged, bool keep_exif) {
    set_up(errors_, accept_damaged);
    info_.err = &errors_.base;
    progress_.progress_monitor = on_progress;
    ready_ = guarded(errors_, [&] {
      jpeg_create_decompress(&info_);
      info_.progress = &progress_;
      jpeg_mem_src(&info_, bytes.data(), bytes.size());
      if (keep_exif) jpeg_save_markers(&info_, JPEG_APP0 + 1, 0xffff);
      jpeg_read_header(&info_, TRUE);
    });
  }
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;
  ~Decompressor() { jpeg_destroy_decompress(&info_); }

  bool ready() const { return ready_; }
  const jpeg_decompress_struct& info() const { return info_; }
  const char* message() const { return errors_.message; }

  // Decodes all rows; `row_sink(y)` gives the place of row y and `row_done(y)` is told when it is filled.
  template <class RowSink, class RowDone>
  bool decode(J_COLOR_SPACE colours, const RowSink& row_sink, const RowDone& row_done) {
    return guarded(errors_, [&] {
      info_.out_color_space = colours;
      jpeg_start_decompress(&info_);
      while (info_.output_scanline < info_.output_height) {
        const int y = static_cast<int>(info_.output_scanline);
        JSAMPROW row = row_sink(y);
        jpeg_read_scanlines(&info_, &row, 1);
        row_done(y);
      }
      jpeg_finish_decompress(&info_);
    });
  }

 private:
  ErrorManager errors_{};
  jpeg_progress_mgr progress_{};
  jpeg_decompress_struct info_{};
  bool ready_ = false;
};

// a * b / 255 to the nearest integer; exact for 8-bit factors.
int multiply_divide_255(int a, int b) {
  const int product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}

// `stored` is inverted CMYK (255 is no ink), so that each channel is its share of the light that black leaves.
void cmyk_row_to_rgb(const uint8_t* stored, int width, uint8_t* rgb) {
  for (int x = 0; x < width; ++x, stored += 4, rgb += 3)
    for (int c = 0; c < 3; ++c) rgb[c] = static_cast<uint8_t>(multiply_divide_255(stored[c], stored[3]));
}

int orientation_of(const jpeg_decompress_struct& info) {
  static constexpr uint8_t kExif[6] = {'E', 'x', 'i', 'f', 0, 0};
  for (const jpeg_marker_struct* marker = info.marker_list; marker; marker = marker->next) {
    if (marker->data_length < sizeof kExif || std::memcmp(marker->data, kExif, sizeof kExif) != 0) continue;
    return exif_orientation({marker->data + sizeof kExif, marker->data_length - sizeof kExif});
  }
  return 1;
}

// Huffman coding spends at least one bit on each block of 8x8 samples, and some component has at least a quarter of the
// picture's resolution: a header that claims more is a trap. Arithmetic coding has no such bound (13,000 x 13,000
// pixels of one colour take 208 bytes), and is held to the same: what it gains on real pictures is about a tenth.
void check_bytes_can_hold(const jpeg_decompress_struct& info, size_t bytes, const std::string& name) {
  const int64_t pixels = int64_t{info.image_width} * info.image_height;
  check(pixels / (64 * 4 * 8) <= static_cast<int64_t>(bytes), name, ": JPEG header says ", info.image_width, " x ",
        info.image_height, " pixels, more than its ", bytes, " bytes can hold");
}

}  // namespace

DecodedImage decode_jpeg(std::span<const uint8_t> bytes, const std::string& name, const DecodeOptions& options,
                         Image reused) {
  Decompressor decompressor(bytes, options.accept_damaged, options.respect_orientation);
  check(decompressor.ready(), name, ": JPEG: ", decompressor.message());
  const jpeg_decompress_struct& info = decompressor.info();
  check_image_size(info.image_height, info.image_width, name, options.max_pixels);
  const int components = info.num_components;
  check(components == 1 || components == 3 || components == 4, name, ": JPEG has ", components,
        " components, expected 1, 3 or 4");
  check_bytes_can_hold(info, bytes.size(), name);

  DecodedImage decoded;
  if (options.respect_orientation) decoded.orientation = orientation_of(info);  // decoding drops the markers
  Image& image = decoded.image;
  image = std::move(reused);
  set_size(image, static_cast<int>(info.image_height), static_cast<int>(info.image_width));
  bool complete = false;
  if (components == 4) {
    std::vector<uint8_t> cmyk(static_cast<size_t>(image.width) * 4);
    complete = decompressor.decode(
        JCS_CMYK, [&](int) { return cmyk.data(); },
        [&](int y) { cmyk_row_to_rgb(cmyk.data(), image.width, image.row(y)); });
  } else {
    complete = decompressor.decode(
        JCS_RGB, [&](int y) { return image.row(y); }, [](int) {});
  }
  check(complete, name, ": JPEG: ", decompressor.message());
  return decoded;
}

std::vector<uint8_t> encode_jpeg(const Image& image, int quality, Chroma chroma) {
  check(quality >= 1 && quality <= 100, "encode_jpeg: quality is ", quality, ", expected 1 to 100");
  check_image(image, "encode_jpeg");
  check(image.height <= JPEG_MAX_DIMENSION && image.width <= JPEG_MAX_DIMENSION, "encode_jpeg: the picture is ",
        image.width, " x ", image.height, " pixels, the format allows ", JPEG_MAX_DIMENSION, " a side");

  ErrorManager errors{};
  set_up(errors, false);
  jpeg_compress_struct info{};
  info.err = &errors.base;
  unsigned char* buffer = nullptr;
  unsigned long size = 0;
  const bool complete = guarded(errors, [&] {
    jpeg_create_compress(&info);
    jpeg_mem_dest(&info, &buffer, &size);
    info.image_width = static_cast<JDIMENSION>(image.width);
    info.image_height = static_cast<JDIMENSION>(image.height);
    info.input_components = 3;
    info.in_color_space = JCS_RGB;
    jpeg_set_defaults(&info);
    jpeg_set_quality(&info, quality, TRUE);
    if (chroma == Chroma::full) info.comp_info[0].h_samp_factor = info.comp_info[0].v_samp_factor = 1;
    jpeg_start_compress(&info, TRUE);
    while (info.next_scanline < info.image_height) {
      JSAMPROW row = const_cast<JSAMPROW>(image.row(static_cast<int>(info.next_scanline)));
      jpeg_write_scanlines(&info, &row, 1);
    }
    jpeg_finish_compress(&info);
  });
  jpeg_destroy_compress(&info);
  // On a failure, which can only be want of memory, `buffer` may be one that libjpeg has freed already.
  check(complete, "encode_jpeg: ", errors.message);
  const std::unique_ptr<unsigned char, decltype(&std::free)> owner(buffer, &std::free);
  return {buffer, buffer + size};
}

}  // namespace tessera
