#include "vilt/tasks/annotated_recalls.h"

#include <functional>
#include <map>
#include <string>

#include "data/scenes/fitting.h"

namespace tessera {
namespace {

using Fits = std::function<bool(int64_t text, int64_t image)>;

void add_recalls(const std::string& of, const Dataset& dataset, const std::vector<int64_t>& images,
                 const std::vector<int64_t>& texts, const Fits& fits, NamedFigures& out) {
  const auto sentence = [&](int64_t text) -> const DatasetSentence& {
    return dataset.sentences()[static_cast<size_t>(text)];
  };
  std::map<int64_t, std::map<std::string_view, int64_t>> texts_of;  // that fit a picture, and how often they are there
  double of_images = 0;
  for (const int64_t text : texts) {
    int64_t fitting = 0;
    for (const int64_t image : images) {
      if (image != sentence(text).image && !fits(text, image)) continue;
      ++fitting;
      ++texts_of[image][sentence(text).text];
    }
    of_images += 1.0 / static_cast<double>(fitting);
  }
  // Of a picture's own texts those that stand there once: any of them may come first.
  std::map<int64_t, double> own;
  for (const int64_t text : texts)
    own[sentence(text).image] += texts_of[sentence(text).image][sentence(text).text] == 1;
  double of_texts = 0;
  for (const auto& [image, count] : own) of_texts += count / static_cast<double>(texts_of[image].size());
  out.emplace_back("text R@1 " + of, of_texts / static_cast<double>(images.size()));
  out.emplace_back("image R@1 " + of, of_images / static_cast<double>(texts.size()));
}

}  // namespace

void add_annotated_recalls(const Dataset& dataset, const Pictures& pictures, const std::vector<int64_t>& images,
                           const std::vector<int64_t>& texts, NamedFigures& out) {
  std::map<int64_t, const Annotation*> of_image;
  std::map<int64_t, scenes::CaptionClaim> claims;
  for (const int64_t text : texts) {
    const DatasetSentence& sentence = dataset.sentences()[static_cast<size_t>(text)];
    const Annotation* annotation = dataset.annotation(text);
    if (!annotation || !annotation->objects) return;
    of_image.emplace(sentence.image, annotation);
    if (auto claim = scenes::CaptionClaim::of(sentence.text, *annotation)) claims.emplace(text, std::move(*claim));
  }
  if (of_image.size() < images.size()) return;
  add_recalls(
      "by objects alone", dataset, images, texts,
      [&](int64_t text, int64_t image) { return caption_true_of(*dataset.annotation(text), *of_image.at(image)); },
      out);
  if (claims.size() < texts.size()) return;
  std::map<int64_t, scenes::PictureSize> sizes;
  for (const int64_t image : images) {
    const auto picture = pictures.resized(image);
    sizes[image] = {picture->original_height, picture->original_width};
  }
  add_recalls(
      "attainable", dataset, images, texts,
      [&](int64_t text, int64_t image) { return claims.at(text).fits(*of_image.at(image), sizes.at(image)); }, out);
}

}  // namespace tessera
