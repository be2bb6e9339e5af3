#include "vilt/serve/pictures.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>

#include "data/images/resize.h"
#include "io/printable.h"
#include "io/sha256.h"
#include "tensor/error.h"
#include "vilt/ask/inputs.h"
#include "vilt/serve/refusal.h"

namespace tessera::serve {
namespace {

// Closes at the end.
struct Descriptor {
  int number;
  ~Descriptor() { ::close(number); }
};

struct Turn {
  explicit Turn(std::counting_semaphore<64>& semaphore) : of(semaphore) { of.acquire(); }
  ~Turn() { of.release(); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;
  std::counting_semaphore<64>& of;
};

std::span<const uint8_t> bytes_of(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

std::string digest(const std::string& bytes) {
  Sha256 sha;
  sha.add(bytes);
  return sha.hexadecimal();
}

// By the first bytes, so that nothing but a picture leaves the server as one.
std::string type_of(const std::string& bytes, const std::string& name) {
  if (bytes.starts_with("\xff\xd8\xff")) return "image/jpeg";
  if (bytes.starts_with("\x89PNG\r\n\x1a\n")) return "image/png";
  if (bytes.starts_with("GIF8")) return "image/gif";
  if (bytes.starts_with("RIFF") && bytes.size() >= 12 && bytes.compare(8, 4, "WEBP") == 0) return "image/webp";
  throw Refusal(404, name + ": is no JPEG, PNG, WebP or GIF picture");
}

int decoders() { return std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 2, 16); }

}  // namespace

PictureStore::PictureStore(const LoadedModel& model, const PictureLimits& limits, const Folder* folder,
                           std::map<std::string, std::filesystem::path> tests)
    : model_(model), limits_(limits), folder_(folder), tests_(std::move(tests)), decoders_(decoders()) {}

DecodeOptions PictureStore::decoding() const {
  DecodeOptions options;
  options.respect_orientation = limits_.respect_orientation || model_.preprocessing.respect_orientation;
  options.max_pixels = std::min(limits_.pixels, kMaxImagePixels);
  return options;
}

int PictureStore::open_file(const GivenPicture& given) const {
  if (given.source == GivenPicture::Source::folder) {
    if (!folder_)
      throw Refusal(400, text("the picture ", printable(given.name),
                              " is named, and there is no folder of pictures; "
                              "start with --folder, or send the picture"));
    return folder_->open(given.name);
  }
  const auto found = tests_.find(given.name);
  if (found == tests_.end()) throw Refusal(404, text("there is no test picture ", printable(given.name)));
  const int descriptor = ::open(found->second.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0)
    throw Refusal(errno == EMFILE ? 503 : 404, text(printable(given.name), ": ", std::strerror(errno)));
  return descriptor;
}

OpenedPicture PictureStore::open(const GivenPicture& given) {
  const std::string shown_name = escape_controls(given.name);
  std::string key, read;
  const std::string* bytes = &given.bytes;
  if (given.source == GivenPicture::Source::bytes) {
    check(static_cast<int64_t>(bytes->size()) <= limits_.bytes, shown_name, ": the picture has ", bytes->size(),
          " bytes, the limit is ", limits_.bytes);
    key = "bytes/" + digest(*bytes);
    if (auto known = patched_.find(key)) return {key, given.name, known};
  } else {
    const Descriptor file{open_file(given)};
    key = "file/" + read_picture_file(file.number, shown_name, limits_.bytes, false).version;
    if (auto known = patched_.find(key)) return {key, given.name, known};
    PictureFile whole = read_picture_file(file.number, shown_name, limits_.bytes);
    key = "file/" + whole.version;
    read = std::move(whole.bytes);
    bytes = &read;
  }
  const Turn turn(decoders_);
  const command::Picture picture = command::picture_of(model_, bytes_of(*bytes), shown_name, decoding());
  const int64_t patches = int64_t{picture.patched->rows} * picture.patched->columns;
  check(patches <= limits_.patches, shown_name, ": the picture has ", patches, " patches, the limit is ",
        limits_.patches, "; make it smaller");
  patched_.keep(key, picture.patched, static_cast<int64_t>(picture.patched->patches.size() * sizeof(float)));
  return {key, given.name, picture.patched};
}

PictureStore::File PictureStore::file(const GivenPicture& given) const {
  const Descriptor file{open_file(given)};
  const std::string shown_name = escape_controls(given.name);
  File out{read_picture_file(file.number, shown_name, limits_.bytes).bytes, {}};
  out.type = type_of(out.bytes, shown_name);
  return out;
}

PictureStore::File PictureStore::thumbnail(const GivenPicture& given) {
  constexpr int kSide = 160, kQuality = 85;
  const Descriptor file{open_file(given)};
  const std::string shown_name = escape_controls(given.name);
  const std::string key = read_picture_file(file.number, shown_name, limits_.bytes, false).version;
  if (const auto known = thumbnails_.find(key)) return {*known, "image/jpeg"};
  const std::string bytes = read_picture_file(file.number, shown_name, limits_.bytes).bytes;
  const Turn turn(decoders_);
  Image image = decode_image(bytes_of(bytes), shown_name, decoding());
  if (const int longer = std::max(image.height, image.width); longer > kSide) {
    const auto side = [&](int pixels) { return std::max(1, static_cast<int>(int64_t{pixels} * kSide / longer)); };
    image = resize_bicubic(image, {side(image.height), side(image.width)});
  }
  const std::vector<uint8_t> jpeg = encode_jpeg(image, kQuality, Chroma::full);
  auto out = std::make_shared<const std::string>(jpeg.begin(), jpeg.end());
  thumbnails_.keep(key, out, static_cast<int64_t>(out->size()));
  return {*out, "image/jpeg"};
}

}  // namespace tessera::serve
