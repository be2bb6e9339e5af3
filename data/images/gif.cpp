// GIF by giflib: the first frame.
#include <gif_lib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>

#include "data/images/image_codecs.h"
#include "tensor/error.h"

namespace tessera {
namespace {

struct CloseGif {
  void operator()(GifFileType* file) const { DGifCloseFile(file, nullptr); }
};

// The bytes that giflib has not asked for yet.
int read_gif_bytes(GifFileType* file, GifByteType* to, int size) {
  auto* left = static_cast<std::span<const uint8_t>*>(file->UserData);
  const size_t count = std::min(static_cast<size_t>(std::max(size, 0)), left->size());
  std::copy_n(left->begin(), count, to);
  *left = left->subspan(count);
  return static_cast<int>(count);
}

class GifReader {
 public:
  GifReader(std::span<const uint8_t> bytes, const std::string& name) : left_(bytes), name_(name) {
    int error = 0;
    file_.reset(DGifOpen(&left_, read_gif_bytes, &error));
    check(file_ != nullptr, name_, ": GIF: ", words(error));
  }

  // Reads up to the first frame's description; the index of its transparent colour, if it has one.
  std::optional<int> find_frame() {
    std::optional<int> transparent;
    for (;;) {
      GifRecordType record;
      require(DGifGetRecordType(file_.get(), &record));
      check(record != TERMINATE_RECORD_TYPE, name_, ": GIF: the file holds no picture");
      if (record == IMAGE_DESC_RECORD_TYPE) break;
      if (record == EXTENSION_RECORD_TYPE) read_extension(transparent);
    }
    require(DGifGetImageDesc(file_.get()));
    return transparent;
  }

  const GifImageDesc& frame() const { return file_->Image; }
  int screen_height() const { return file_->SHeight; }
  int screen_width() const { return file_->SWidth; }

  // Of all levels: the frame's own palette, else the file's, else grey; entries that a palette lacks are black. As in
  // Pillow a palette that says what none would say, level i is grey i, counts as none, so that a frame with such a one
  // takes the file's.
  std::array<GifColorType, 256> palette() const {
    std::array<GifColorType, 256> colours{};
    for (const ColorMapObject* stored : {file_->Image.ColorMap, file_->SColorMap}) {
      if (!stored || is_grey_ramp(*stored)) continue;
      std::copy_n(stored->Colors, std::min(stored->ColorCount, 256), colours.begin());
      return colours;
    }
    for (size_t level = 0; level < colours.size(); ++level) {
      const auto grey = static_cast<GifByteType>(level);
      colours[level] = {grey, grey, grey};
    }
    return colours;
  }

  void read_line(std::span<GifPixelType> line) {
    require(DGifGetLine(file_.get(), line.data(), static_cast<int>(line.size())));
  }

 private:
  static bool is_grey_ramp(const ColorMapObject& map) {
    for (int i = 0; i < map.ColorCount; ++i)
      if (map.Colors[i].Red != i || map.Colors[i].Green != i || map.Colors[i].Blue != i) return false;
    return true;
  }

  static const char* words(int error) {
    const char* known = GifErrorString(error);
    return known ? known : "the file is damaged";
  }

  void require(int status) {
    if (status != GIF_OK)
      fail(name_, ": GIF: ", left_.empty() ? "the file is truncated or damaged" : words(file_->Error));
  }

  // The graphic control extension names the transparent colour: flags, two bytes of delay, index.
  void read_extension(std::optional<int>& transparent) {
    int code = 0;
    GifByteType* block = nullptr;  // its length, then its bytes
    require(DGifGetExtension(file_.get(), &code, &block));
    if (code == GRAPHICS_EXT_FUNC_CODE && block && block[0] >= 4 && (block[1] & 1) != 0) transparent = block[4];
    while (block) require(DGifGetExtensionNext(file_.get(), &block));
  }

  std::span<const uint8_t> left_;
  const std::string& name_;
  std::unique_ptr<GifFileType, CloseGif> file_;
};

// Where each line of a frame goes, in the order of the file: an interlaced one has every eighth row first, then those
// in the middle between them, and so on.
std::vector<int> row_order(int rows, bool interlaced) {
  std::vector<int> order;
  order.reserve(static_cast<size_t>(rows));
  struct Pass {
    int first, step;
  };
  static constexpr std::array<Pass, 4> kPasses = {{{0, 8}, {4, 8}, {2, 4}, {1, 2}}};
  if (interlaced) {
    for (const Pass& pass : kPasses)
      for (int row = pass.first; row < rows; row += pass.step) order.push_back(row);
  } else {
    for (int row = 0; row < rows; ++row) order.push_back(row);
  }
  return order;
}

void put_colour(const GifColorType& colour, uint8_t* rgb) {
  rgb[0] = colour.Red;
  rgb[1] = colour.Green;
  rgb[2] = colour.Blue;
}

}  // namespace

DecodedImage decode_gif(std::span<const uint8_t> bytes, const std::string& name, const DecodeOptions& options,
                        Image reused) {
  // A code of 12 bits stands for at most 4,095 pixels.
  constexpr int64_t kPixelsPerByte = 2730;
  GifReader reader(bytes, name);
  const std::optional<int> transparent = reader.find_frame();
  const GifImageDesc& frame = reader.frame();
  check(frame.Width > 0 && frame.Height > 0, name, ": GIF: its frame is ", frame.Width, " x ", frame.Height, " pixels");
  // As in Pillow, a frame that reaches beyond the canvas enlarges it.
  const int height = std::max(reader.screen_height(), frame.Top + frame.Height);
  const int width = std::max(reader.screen_width(), frame.Left + frame.Width);
  check_image_size(height, width, name, options.max_pixels);
  check_bytes_can_hold(height, width, bytes.size(), kPixelsPerByte, name);

  DecodedImage decoded;
  Image& image = decoded.image;
  image = std::move(reused);
  set_size(image, height, width);
  const auto palette = reader.palette();
  if (frame.Width != width || frame.Height != height) {
    const GifColorType& around = palette[static_cast<size_t>(transparent.value_or(0))];
    const size_t row_bytes = static_cast<size_t>(width) * 3;
    for (size_t i = 0; i < row_bytes; i += 3) put_colour(around, image.row(0) + i);
    for (int row = 1; row < height; ++row) std::memcpy(image.row(row), image.row(0), row_bytes);
  }
  std::vector<GifPixelType> line(static_cast<size_t>(frame.Width));
  for (const int row : row_order(frame.Height, frame.Interlace)) {
    reader.read_line(line);
    uint8_t* rgb = image.row(frame.Top + row) + size_t{3} * frame.Left;
    for (size_t x = 0; x < line.size(); ++x) put_colour(palette[line[x]], rgb + 3 * x);
  }
  return decoded;
}

}  // namespace tessera
