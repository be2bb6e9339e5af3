// PNG by libpng. Its errors arrive in a C callback and leave by longjmp, never by an exception, because the library's
// frames lie between; so between setjmp and longjmp no object with a destructor is made (see `guarded`).
#include <png.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstdio>
#include <cstring>

#include "data/images/image_codecs.h"
#include "data/images/transparency.h"
#include "tensor/error.h"

namespace tessera {
namespace {

struct PngErrors {
  std::jmp_buf escape;
  char message[160] = "";
};

[[noreturn]] void on_error(png_structp png, png_const_charp message) {
  auto* errors = static_cast<PngErrors*>(png_get_error_ptr(png));
  std::snprintf(errors->message, sizeof errors->message, "%s", message);
  std::longjmp(errors->escape, 1);
}

// Warnings are about matters that do not reach the pixels (a checksum that fails is an error, see `open`).
void on_warning(png_structp, png_const_charp) {}

// Runs libpng calls; false when one of them failed. `body` may make no object with a destructor.
template <class Body>
bool guarded(PngErrors& errors, const Body& body) {
  if (setjmp(errors.escape) != 0) return false;
  body();
  return true;
}

struct ByteSource {
  const uint8_t* next;
  size_t left;
};

void read_bytes(png_structp png, png_bytep to, size_t size) {
  auto* source = static_cast<ByteSource*>(png_get_io_ptr(png));
  if (size > source->left) png_error(png, "the file is truncated");
  std::memcpy(to, source->next, size);
  source->next += size;
  source->left -= size;
}

// How libpng delivers a pixel: everything that it can turn into RGB as Pillow does comes as such.
enum class Form { rgb, palette_index, grey16, rgba };

class Reader {
 public:
  Reader(std::span<const uint8_t> bytes, bool keep_exif) : source_{bytes.data(), bytes.size()} {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &errors_, on_error, on_warning);
    info_ = png_ ? png_create_info_struct(png_) : nullptr;
    ready_ = info_ && guarded(errors_, [&] { open(keep_exif); });
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  ~Reader() { png_destroy_read_struct(&png_, &info_, nullptr); }

  bool ready() const { return ready_; }
  const char* message() const { return errors_.message[0] ? errors_.message : "out of memory"; }
  int64_t height() const { return png_get_image_height(png_, info_); }
  int64_t width() const { return png_get_image_width(png_, info_); }
  int64_t stored_row_bytes() const { return static_cast<int64_t>(stored_row_bytes_); }

  Form form() const {
    const int colour = png_get_color_type(png_, info_);
    if (colour == PNG_COLOR_TYPE_PALETTE) return Form::palette_index;
    return colour == PNG_COLOR_TYPE_GRAY && png_get_bit_depth(png_, info_) == 16 ? Form::grey16 : Form::rgb;
  }

  bool is_colour() const { return (png_get_color_type(png_, info_) & PNG_COLOR_MASK_COLOR) != 0; }
  bool has_alpha_channel() const { return (png_get_color_type(png_, info_) & PNG_COLOR_MASK_ALPHA) != 0; }
  int bit_depth() const { return png_get_bit_depth(png_, info_); }

  // Chooses the conversions for this form and reads all rows, from the first to the end chunk. An interlaced picture is
  // read in several passes over all of `rows`.
  bool read(Form as, uint8_t* pixels, size_t row_bytes) {
    return guarded(errors_, [&] {
      if (as == Form::palette_index)
        png_set_packing(png_);
      else if (as != Form::grey16)
        set_rgb(as == Form::rgba);
      const int passes = png_set_interlace_handling(png_);
      png_read_update_info(png_, info_);
      if (png_get_rowbytes(png_, info_) != row_bytes) png_error(png_, "unexpected row size");
      const png_uint_32 rows = png_get_image_height(png_, info_);
      for (int pass = 0; pass < passes; ++pass)
        for (png_uint_32 y = 0; y < rows; ++y) png_read_row(png_, pixels + y * row_bytes, nullptr);
      png_read_end(png_, info_);
    });
  }

  // Unused entries are black, which is also what Pillow shows for an index beyond the palette.
  std::array<png_color, 256> palette() const {
    std::array<png_color, 256> colours{};
    png_colorp stored = nullptr;
    int count = 0;
    if (png_get_PLTE(png_, info_, &stored, &count) != 0) std::copy_n(stored, std::min(count, 256), colours.begin());
    return colours;
  }

  // Of each entry of the palette; what the file says nothing of is opaque.
  std::array<uint8_t, 256> palette_alpha() const {
    std::array<uint8_t, 256> alpha;
    alpha.fill(255);
    png_bytep stored = nullptr;
    int count = 0;
    if (png_get_tRNS(png_, info_, &stored, &count, nullptr) != 0 && stored)
      std::copy_n(stored, std::min(count, 256), alpha.begin());
    return alpha;
  }
  bool has_transparent_colour() const { return png_get_valid(png_, info_, PNG_INFO_tRNS) != 0; }
  // The one colour or grey level that is transparent, as stored.
  png_color_16 transparent_colour() const {
    png_color_16p colour = nullptr;
    const bool given = png_get_tRNS(png_, info_, nullptr, nullptr, &colour) != 0 && colour;
    return given ? *colour : png_color_16{};
  }

  int orientation() const {
    png_bytep exif = nullptr;
    png_uint_32 size = 0;
    if (png_get_eXIf_1(png_, info_, &size, &exif) == 0) return 1;
    return exif_orientation({exif, size});
  }

 private:
  void open(bool keep_exif) {
    png_set_read_fn(png_, &source_, read_bytes);
    // A wrong checksum is an error in every chunk. Text, profiles and the like are skipped: they may be compressed
    // bombs.
    png_set_crc_action(png_, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
    static constexpr png_byte kExifChunk[5] = {'e', 'X', 'I', 'f', 0};
    if (keep_exif) png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_AS_DEFAULT, kExifChunk, 1);
    png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_read_info(png_, info_);
    stored_row_bytes_ = png_get_rowbytes(png_, info_);
  }

  void set_rgb(bool keep_alpha) {
    const int colour = png_get_color_type(png_, info_);
    png_set_strip_16(png_);  // keeps the high byte
    if ((colour & PNG_COLOR_MASK_ALPHA) && !keep_alpha) png_set_strip_alpha(png_);
    if (colour & PNG_COLOR_MASK_COLOR) return;
    if (png_get_bit_depth(png_, info_) < 8) png_set_expand_gray_1_2_4_to_8(png_);
    png_set_gray_to_rgb(png_);
  }

  PngErrors errors_;
  ByteSource source_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  size_t stored_row_bytes_ = 0;
  bool ready_ = false;
};

// Of some chunks (eXIf) libpng takes the memory that their length asks for before it reads them, so all lengths are
// looked at before. A chunk is length, type, data and checksum, 4 bytes each but the data.
void check_chunk_lengths(std::span<const uint8_t> bytes, const std::string& name) {
  constexpr size_t kSignature = 8, kOverhead = 12;
  for (size_t at = kSignature; at + kOverhead <= bytes.size();) {
    const size_t length = png_get_uint_32(bytes.data() + at);
    check(length <= bytes.size() - at - kOverhead, name, ": PNG: the file is truncated");
    if (std::memcmp(bytes.data() + at + 4, "IEND", 4) == 0) return;
    at += kOverhead + length;
  }
}

// Deflate packs at most 1,032 bytes in one (RFC 1951: 258 bytes in two bits): a header that claims more is a trap.
void check_bytes_can_hold(const Reader& reader, size_t bytes, const std::string& name) {
  constexpr int64_t kMostPerByte = 1032;
  check(reader.stored_row_bytes() * reader.height() / kMostPerByte <= static_cast<int64_t>(bytes), name,
        ": PNG header says ", reader.width(), " x ", reader.height(), " pixels, more than its ", bytes,
        " bytes can hold");
}

// Big-endian levels. One above 255 saturates, as in Pillow, so that most 16-bit grey pictures turn white.
void grey16_to_rgb(std::span<const uint8_t> levels, uint8_t* rgb) {
  for (size_t i = 0; i < levels.size(); i += 2, rgb += 3)
    rgb[0] = rgb[1] = rgb[2] = levels[i] != 0 ? uint8_t{255} : levels[i + 1];
}

void palette_to_rgb(std::span<const uint8_t> indices, const std::array<png_color, 256>& palette, uint8_t* rgb) {
  for (uint8_t index : indices) {
    *rgb++ = palette[index].red;
    *rgb++ = palette[index].green;
    *rgb++ = palette[index].blue;
  }
}

// Pixels of exactly this colour are transparent. Pillow compares the level as it is stored with levels that it has
// stretched to 0..255 where there are fewer bits (but for single bits), and so does this.
void add_colour_key(const Reader& reader, PictureWithAlpha& picture) {
  const bool grey = !reader.is_colour();
  if (reader.bit_depth() == 16) return;
  const png_color_16 colour = reader.transparent_colour();
  const int level = grey && reader.bit_depth() == 1 ? (colour.gray != 0 ? 255 : 0) : colour.gray;
  const std::array<int, 3> key =
      grey ? std::array<int, 3>{level, level, level} : std::array<int, 3>{colour.red, colour.green, colour.blue};
  picture.alpha = picture.image;
  for (size_t i = 0; i < picture.alpha.pixels.size(); i += 3) {
    const uint8_t* rgb = picture.image.pixels.data() + i;
    const bool is_key = rgb[0] == key[0] && rgb[1] == key[1] && rgb[2] == key[2];
    std::fill_n(picture.alpha.pixels.data() + i, 3, is_key ? uint8_t{0} : uint8_t{255});
  }
}

void write_bytes(png_structp png, png_bytep from, size_t size) {
  auto* bytes = static_cast<std::vector<uint8_t>*>(png_get_io_ptr(png));
  bool out_of_memory = false;
  try {
    bytes->insert(bytes->end(), from, from + size);
  } catch (const std::bad_alloc&) {
    out_of_memory = true;
  }
  if (out_of_memory) png_error(png, "out of memory");
}

}  // namespace

DecodedImage decode_png(std::span<const uint8_t> bytes, const std::string& name, const DecodeOptions& options,
                        Image reused) {
  check_chunk_lengths(bytes, name);
  Reader reader(bytes, options.respect_orientation);
  check(reader.ready(), name, ": PNG: ", reader.message());
  check_image_size(reader.height(), reader.width(), name, options.max_pixels);
  check_bytes_can_hold(reader, bytes.size(), name);

  DecodedImage decoded;
  Image& image = decoded.image;
  image = std::move(reused);
  set_size(image, static_cast<int>(reader.height()), static_cast<int>(reader.width()));
  const size_t count = static_cast<size_t>(image.height) * image.width;
  const Form form = reader.form();
  const size_t pixel_bytes = form == Form::rgb ? 3 : form == Form::grey16 ? 2 : 1;
  std::vector<uint8_t> stored(form == Form::rgb ? 0 : count * pixel_bytes);
  const bool complete =
      reader.read(form, form == Form::rgb ? image.pixels.data() : stored.data(), image.width * pixel_bytes);
  check(complete, name, ": PNG: ", reader.message());
  if (form == Form::grey16) grey16_to_rgb(stored, image.pixels.data());
  if (form == Form::palette_index) palette_to_rgb(stored, reader.palette(), image.pixels.data());
  if (options.respect_orientation) decoded.orientation = reader.orientation();
  return decoded;
}

void add_png_alpha(std::span<const uint8_t> bytes, const std::string& name, PictureWithAlpha& picture) {
  Reader reader(bytes, false);
  check(reader.ready(), name, ": PNG: ", reader.message());
  const bool palette = reader.form() == Form::palette_index;
  const bool single_bits = !palette && !reader.is_colour() && reader.bit_depth() == 1;
  if (palette || single_bits) picture.storage = PictureWithAlpha::Storage::indexed;
  if (palette) {
    const png_color first = reader.palette()[0];
    picture.first_colour = {first.red, first.green, first.blue};
  }
  if (!palette && !reader.has_alpha_channel()) {
    if (reader.has_transparent_colour()) add_colour_key(reader, picture);
    return;
  }
  if (palette && !reader.has_transparent_colour()) return;
  const Image& image = picture.image;
  const size_t pixel_bytes = palette ? 1 : 4, count = static_cast<size_t>(image.height) * image.width;
  std::vector<uint8_t> stored(count * pixel_bytes);
  check(reader.read(palette ? Form::palette_index : Form::rgba, stored.data(), image.width * pixel_bytes), name,
        ": PNG: ", reader.message());
  if (!palette) picture.storage = PictureWithAlpha::Storage::alpha;
  const std::array<uint8_t, 256> table = reader.palette_alpha();
  picture.alpha = make_image(image.height, image.width);
  for (size_t i = 0; i < count; ++i)
    std::fill_n(picture.alpha.pixels.data() + 3 * i, 3, palette ? table[stored[i]] : stored[4 * i + 3]);
}

std::vector<uint8_t> encode_png(const Image& image) {
  check_image(image, "encode_png");
  std::vector<uint8_t> bytes;
  PngErrors errors;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &errors, on_error, on_warning);
  png_infop info = png ? png_create_info_struct(png) : nullptr;
  const bool complete =
      info && guarded(errors, [&] {
        png_set_write_fn(png, &bytes, write_bytes, nullptr);
        png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
        png_set_IHDR(png, info, static_cast<png_uint_32>(image.width), static_cast<png_uint_32>(image.height), 8,
                     PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
        png_write_info(png, info);
        for (int y = 0; y < image.height; ++y) png_write_row(png, image.row(y));
        png_write_end(png, nullptr);
      });
  png_destroy_write_struct(&png, &info);
  check(complete, "encode_png: ", errors.message[0] ? errors.message : "out of memory");
  return bytes;
}

}  // namespace tessera
