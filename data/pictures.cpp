#include "data/pictures.h"

#include "data/images/rand_augment.h"
#include "data/images/resize.h"
#include "data/images/scratch_image.h"
#include "io/files.h"
#include "io/printable.h"
#include "tensor/error.h"

namespace tessera {

ResizedImage prepare_image(Image&& image, const PictureOptions& options, const std::string& name) {
  ResizedImage out;
  out.original_height = image.height;
  out.original_width = image.width;
  if (!options.resize) {
    check(image.height % options.patch == 0 && image.width % options.patch == 0, name, ": ", image.width, " x ",
          image.height, " pixels are not whole patches of ", options.patch, "; set image.resize to 'shorter'");
    out.image = std::move(image);
    return out;
  }
  const ImageSize size = vilt_size(image.height, image.width, options.shorter, options.divisor());
  if (size == ImageSize{image.height, image.width})
    out.image = std::move(image);
  else
    resize_bicubic(image, size, out.image);
  return out;
}

Pictures::Pictures(const PathOf& path_of, const PictureOptions& options)
    : Pictures(FileOf([path_of](int64_t image) {
                 const std::filesystem::path path = path_of(image);
                 return File{shown(path), read_file(path)};
               }),
               options) {}

Pictures::Pictures(FileOf file_of, const PictureOptions& options)
    : file_of_(std::move(file_of)), options_(options), extractor_(options.patch, options.norm) {}

std::string Pictures::decode(int64_t image, Image& out) const {
  const DecodeOptions options{.respect_orientation = options_.respect_orientation};
  File file = file_of_(image);
  decode_image(file.bytes, file.name, options, out);
  return std::move(file.name);
}

template <class Make>
std::shared_ptr<const ResizedImage> Pictures::cached(int64_t image, Stage stage, const Make& make) const {
  const std::pair key(image, stage);
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = cache_.find(key); found != cache_.end()) return found->second;
  }
  auto ready = std::make_shared<const ResizedImage>(make());
  const auto bytes = static_cast<int64_t>(ready->image.pixels.size());
  const std::lock_guard lock(mutex_);
  if (cached_bytes_ + bytes <= options_.cache_bytes && cache_.emplace(key, ready).second) cached_bytes_ += bytes;
  return ready;
}

std::shared_ptr<const ResizedImage> Pictures::resized(int64_t image) const {
  return cached(image, Stage::resized, [&] {
    ScratchImage picture;
    const std::string name = decode(image, *picture);
    return prepare_image(std::move(*picture), options_, name);
  });
}

std::shared_ptr<const ResizedImage> Pictures::augmented(int64_t image, Random random) const {
  const auto decoded = cached(image, Stage::decoded, [&] {
    ResizedImage whole;
    whole.name = decode(image, whole.image);
    whole.original_height = whole.image.height;
    whole.original_width = whole.image.width;
    return whole;
  });
  return std::make_shared<const ResizedImage>(
      prepare_image(rand_augment(decoded->image, random), options_, decoded->name));
}

Grid Pictures::grid(const ResizedImage& image) const {
  return {image.image.height / options_.patch, image.image.width / options_.patch};
}

PatchedImage Pictures::patched(const ResizedImage& image) const {
  const Grid cells = grid(image);
  return {cells.rows, cells.columns, extractor_.extract(image.image)};
}

PatchedImage Pictures::patched(int64_t image) const { return patched(*resized(image)); }

int64_t Pictures::cached_bytes() const {
  const std::lock_guard lock(mutex_);
  return cached_bytes_;
}

}  // namespace tessera
