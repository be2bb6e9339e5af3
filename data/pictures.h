// The pictures of a data set, prepared: decoded, augmented, resized, cut into patches.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "data/images/image.h"
#include "data/images/patches.h"
#include "tensor/philox.h"

namespace tessera {

struct PictureOptions {
  bool resize = true;    // ViLT's rule; otherwise images keep their size, which must be a multiple of the patch
  int shorter = 384;     // pixels
  int patch = 32;        // pixels
  int size_divisor = 0;  // resized sides are multiples of it, itself one of the patch; 0: of the patch
  bool respect_orientation = false;  // turn pictures as their EXIF tag says; ViLT's own code does not
  PixelNorm norm;
  int64_t cache_bytes = int64_t{1} << 30;  // decoded or resized images that stay in memory

  int divisor() const { return size_divisor == 0 ? patch : size_divisor; }
};

// An image after resizing, with what is needed to move boxes along.
struct ResizedImage {
  Image image;
  int original_height = 0, original_width = 0;
  std::string name = {};  // of its file, while it still has to be resized
};

// By index, as a data set counts them. Thread-safe.
class Pictures {
 public:
  using PathOf = std::function<std::filesystem::path(int64_t image)>;
  // A picture's file, wherever it lies, and its name for messages.
  struct File {
    std::string name;
    std::vector<uint8_t> bytes;
  };
  using FileOf = std::function<File(int64_t image)>;

  Pictures(const PathOf& path_of, const PictureOptions& options);
  Pictures(FileOf file_of, const PictureOptions& options);

  // Decodes and resizes, or takes it from the cache; the bits are the same. Throws what decoding throws.
  std::shared_ptr<const ResizedImage> resized(int64_t image) const;
  // The picture augmented as `random` says (rand_augment.h) before it is resized. The cache then holds the decoded
  // picture, at its full size.
  std::shared_ptr<const ResizedImage> augmented(int64_t image, Random random) const;
  PatchedImage patched(int64_t image) const;
  PatchedImage patched(const ResizedImage& image) const;
  Grid grid(const ResizedImage& image) const;
  // patched(image).patches written to `out`, [rows * columns, 3 * patch * patch] of grid(image).
  void write_patches(const ResizedImage& image, std::span<float> out) const { extractor_.extract(image.image, out); }
  // The same as levels 0..255, not normalised.
  void write_levels(const ResizedImage& image, std::span<uint8_t> out) const {
    extractor_.extract_levels(image.image, out);
  }

  int64_t cached_bytes() const;

 private:
  enum class Stage : uint8_t { decoded, resized };

  // Its file's name.
  std::string decode(int64_t image, Image& out) const;
  // From the cache, or made and kept if there is room.
  template <class Make>
  std::shared_ptr<const ResizedImage> cached(int64_t image, Stage stage, const Make& make) const;

  FileOf file_of_;
  PictureOptions options_;
  PatchExtractor extractor_;

  mutable std::mutex mutex_;
  mutable std::map<std::pair<int64_t, Stage>, std::shared_ptr<const ResizedImage>> cache_;
  mutable int64_t cached_bytes_ = 0;
};

// Resizes as the options say, and takes the picture itself where its size is right; the error of a native size that is
// no multiple of the patch names the image.
ResizedImage prepare_image(Image&& image, const PictureOptions& options, const std::string& name);

}  // namespace tessera
