#include "train/evaluation/annotated_captions.h"

namespace tessera {

AnnotatedCaptions::AnnotatedCaptions(const Dataset& dataset, const Pictures& pictures, std::span<const int64_t> images,
                                     std::span<const int64_t> texts)
    : dataset_(dataset), pictures_(pictures) {
  for (const int64_t text : texts) {
    const DatasetSentence& sentence = dataset.sentences()[static_cast<size_t>(text)];
    const Annotation* annotation = dataset.annotation(text);
    if (!annotation || !annotation->objects) return;
    of_image_.emplace(sentence.image, annotation);
    if (auto claim = scenes::CaptionClaim::of(sentence.text, *annotation)) claims_.emplace(text, std::move(*claim));
  }
  know_objects_ = of_image_.size() >= images.size();
  know_claims_ = know_objects_ && claims_.size() >= texts.size();
}

bool AnnotatedCaptions::objects_fit(int64_t text, int64_t image) const {
  return caption_true_of(*dataset_.annotation(text), *of_image_.at(image));
}

bool AnnotatedCaptions::fits(int64_t text, int64_t image) const {
  return claims_.at(text).fits(*of_image_.at(image), size_of(image));
}

scenes::CaptionDifference AnnotatedCaptions::difference(int64_t text, int64_t image) const {
  return claims_.at(text).difference(*of_image_.at(image), size_of(image));
}

scenes::PictureSize AnnotatedCaptions::size_of(int64_t image) const {
  const auto [size, is_new] = sizes_.try_emplace(image);
  if (is_new) {
    const auto picture = pictures_.resized(image);
    size->second = {picture->original_height, picture->original_width};
  }
  return size->second;
}

}  // namespace tessera
