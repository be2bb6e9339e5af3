#include "data/samples.h"

#include "data/images/rand_augment.h"
#include "data/images/resize.h"
#include "data/images/scratch_image.h"
#include "io/files.h"
#include "io/printable.h"
#include "tensor/error.h"

namespace tessera {

ResizedImage prepare_image(Image&& image, const SampleOptions& options, const std::string& name) {
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

SampleSource::SampleSource(const Dataset& dataset, const Wordpiece& vocabulary, const SampleOptions& options)
    : dataset_(dataset), vocabulary_(vocabulary), options_(options), extractor_(options.patch, options.norm) {}

TextSample SampleSource::text(int64_t sentence) const {
  const Encoding pieces = vocabulary_.encode(dataset_.sentences()[static_cast<size_t>(sentence)].text);
  Encoding sequence = vocabulary_.sequence(pieces, static_cast<size_t>(options_.max_length));
  TextSample sample{std::move(sequence.ids), std::move(sequence.words), {}};
  const Annotation* annotation = dataset_.annotation(sentence);
  if (!annotation || !annotation->content_words) return sample;
  int32_t words = 0;
  for (const int32_t word : sample.words) words = std::max(words, word + 1);
  sample.content.assign(static_cast<size_t>(words), false);
  for (const ContentWord& span : *annotation->content_words)
    for (const int32_t word : words_in_span(pieces, static_cast<size_t>(span.begin), static_cast<size_t>(span.end)))
      if (word < words) sample.content[static_cast<size_t>(word)] = true;
  return sample;
}

void SampleSource::decode(int64_t image, Image& out) const {
  const DecodeOptions options{.respect_orientation = options_.respect_orientation};
  const std::filesystem::path path = dataset_.images()[static_cast<size_t>(image)].path();
  decode_image(read_file(path), shown(path), options, out);
}

ResizedImage SampleSource::prepare(Image&& picture, int64_t image) const {
  return prepare_image(std::move(picture), options_, std::string(dataset_.images()[static_cast<size_t>(image)].file));
}

template <class Make>
std::shared_ptr<const ResizedImage> SampleSource::cached(int64_t image, Stage stage, const Make& make) const {
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

std::shared_ptr<const ResizedImage> SampleSource::resized(int64_t image) const {
  return cached(image, Stage::resized, [&] {
    ScratchImage picture;
    decode(image, *picture);
    return prepare(std::move(*picture), image);
  });
}

std::shared_ptr<const ResizedImage> SampleSource::augmented(int64_t image, Random random) const {
  const auto decoded = cached(image, Stage::decoded, [&] {
    ResizedImage whole;
    decode(image, whole.image);
    whole.original_height = whole.image.height;
    whole.original_width = whole.image.width;
    return whole;
  });
  return std::make_shared<const ResizedImage>(prepare(rand_augment(decoded->image, random), image));
}

Grid SampleSource::grid(const ResizedImage& image) const {
  return {image.image.height / options_.patch, image.image.width / options_.patch};
}

PatchedImage SampleSource::patched(const ResizedImage& image) const {
  const Grid cells = grid(image);
  return {cells.rows, cells.columns, extractor_.extract(image.image)};
}

PatchedImage SampleSource::patched(int64_t image) const { return patched(*resized(image)); }

int64_t SampleSource::cached_bytes() const {
  const std::lock_guard lock(mutex_);
  return cached_bytes_;
}

}  // namespace tessera
