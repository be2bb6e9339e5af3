#include "train/evaluation/annotated_recalls.h"

#include <functional>
#include <map>
#include <string>

#include "train/evaluation/annotated_captions.h"

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
  const AnnotatedCaptions known(dataset, pictures, images, texts);
  if (!known.know_objects()) return;
  add_recalls(
      "by objects alone", dataset, images, texts,
      [&](int64_t text, int64_t image) { return known.objects_fit(text, image); }, out);
  if (!known.know_claims()) return;
  add_recalls(
      "attainable", dataset, images, texts, [&](int64_t text, int64_t image) { return known.fits(text, image); }, out);
}

}  // namespace tessera
