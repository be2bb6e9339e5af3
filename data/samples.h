// From a data set to what the collator packs: tokenised captions and images cut into patches.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "data/images/image.h"
#include "data/images/patches.h"
#include "data/sets/dataset.h"
#include "data/text/wordpiece.h"
#include "tensor/philox.h"

namespace tessera {

struct SampleOptions {
  bool resize = true;    // ViLT's rule; otherwise images keep their size, which must be a multiple of the patch
  int shorter = 384;     // pixels
  int patch = 32;        // pixels
  int size_divisor = 0;  // resized sides are multiples of it, itself one of the patch; 0: of the patch
  bool respect_orientation = false;  // turn pictures as their EXIF tag says; ViLT's own code does not
  PixelNorm norm;
  int64_t max_length = 40;                 // text tokens including [CLS] and [SEP]; longer captions are cut
  int64_t cache_bytes = int64_t{1} << 30;  // decoded or resized images that stay in memory

  int divisor() const { return size_divisor == 0 ? patch : size_divisor; }
};

struct TextSample {
  std::vector<int64_t> ids;    // [CLS] … [SEP]
  std::vector<int32_t> words;  // the word of each token, -1 for [CLS] and [SEP]
  std::vector<bool> content;   // of each word: named by the annotations; empty without annotations
};

// An image after resizing, with what is needed to move boxes along.
struct ResizedImage {
  Image image;
  int original_height = 0, original_width = 0;
};

class SampleSource {
 public:
  // `dataset` and `vocabulary` must outlive the source.
  SampleSource(const Dataset& dataset, const Wordpiece& vocabulary, const SampleOptions& options);

  const Dataset& dataset() const { return dataset_; }
  const Wordpiece& vocabulary() const { return vocabulary_; }
  const SampleOptions& options() const { return options_; }

  // Tokenised at every call: a few microseconds, where the captions of a large data set would take its own memory
  // again.
  TextSample text(int64_t sentence) const;
  int64_t image_of(int64_t sentence) const { return dataset_.sentences()[static_cast<size_t>(sentence)].image; }

  // Decodes and resizes, or takes it from the cache; the bits are the same. Thread-safe. Throws what decoding throws.
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

  void decode(int64_t image, Image& out) const;
  ResizedImage prepare(Image&& picture, int64_t image) const;
  // From the cache, or made and kept if there is room.
  template <class Make>
  std::shared_ptr<const ResizedImage> cached(int64_t image, Stage stage, const Make& make) const;

  const Dataset& dataset_;
  const Wordpiece& vocabulary_;
  SampleOptions options_;
  PatchExtractor extractor_;

  mutable std::mutex mutex_;
  mutable std::map<std::pair<int64_t, Stage>, std::shared_ptr<const ResizedImage>> cache_;
  mutable int64_t cached_bytes_ = 0;
};

// Resizes as the options say, and takes the picture itself where its size is right; the error of a native size that is
// no multiple of the patch names the image.
ResizedImage prepare_image(Image&& image, const SampleOptions& options, const std::string& name);

}  // namespace tessera
