#include "vilt/tasks/example_pictures.h"

#include <algorithm>
#include <cmath>

#include "data/images/resize.h"
#include "io/words.h"
#include "report/heat_map.h"
#include "train/evaluation/spread.h"
#include "vilt/ask/inference.h"

namespace tessera {
namespace {

constexpr size_t kMostWords = 60;  // bytes of a text in a name

// Without control characters, and without the slash, at which TensorBoard begins another group.
std::string short_words(std::string words) {
  for (char& c : words)
    if (c == '/' || static_cast<unsigned char>(c) < 32 || c == 127) c = ' ';
  if (words.size() <= kMostWords) return words;
  size_t end = kMostWords;
  while (end > 0 && (static_cast<unsigned char>(words[end]) & 0xC0) == 0x80) --end;  // inside a character
  return words.substr(0, end) + "…";
}

Image beside(const Image& left, const Image& right) {
  Image out = make_image(left.height, left.width + right.width);
  for (int y = 0; y < out.height; ++y) {
    std::copy_n(left.row(y), left.width * 3, out.row(y));
    std::copy_n(right.row(y), right.width * 3, out.row(y) + left.width * 3);
  }
  return out;
}

// Small pictures are enlarged, so that their patches can be told apart.
Image shown_at(const Image& image, int height) {
  const double scale = static_cast<double>(height) / image.height;
  return resize_bicubic(image, {height, std::max(1, static_cast<int>(std::lround(image.width * scale)))});
}

EventImage event_image(std::string tag, const Image& picture, std::span<const float> weights, Grid grid) {
  const Image both =
      beside(shown_at(picture, kExampleHeight), shown_at(overlay_heat_map(picture, weights, grid, 1), kExampleHeight));
  const std::vector<uint8_t> png = encode_png(both);
  EventImage out;
  out.tag = std::move(tag);
  out.png.assign(png.begin(), png.end());
  out.height = both.height;
  out.width = both.width;
  return out;
}

}  // namespace

std::vector<int64_t> example_samples(int64_t all, const Settings& settings) {
  const int64_t count = settings.train.tensorboard ? settings.train.tensorboard_pictures : 0;
  return count == 0 ? std::vector<int64_t>() : spread(all, count);
}

std::vector<EventImage> example_pictures(const ViltWithHeads& model, const Pictures& source,
                                         std::span<const PictureExample> examples, const ForwardContext& context) {
  std::vector<Question> questions;
  for (const PictureExample& example : examples) {
    Question& question = questions.emplace_back(Question{example.ids, {}});
    for (const auto& picture : example.pictures)
      question.images.push_back(std::make_shared<const PatchedImage>(source.patched(*picture)));
  }
  const std::vector<WordMaps> maps = word_maps(model, questions, {}, context);  // of each picture
  std::vector<EventImage> out;
  size_t at = 0;
  for (size_t i = 0; i < examples.size(); ++i) {
    for (size_t k = 0; k < examples[i].pictures.size(); ++k) {
      const std::vector<float> weights = text_map(maps[at++]);
      const ResizedImage& picture = *examples[i].pictures[k];
      const char* side = examples[i].pictures.size() == 1 ? "" : k == 0 ? ", left" : ", right";
      out.push_back(event_image(text("examples/", i + 1, side, "/", short_words(examples[i].words)), picture.image,
                                weights, source.grid(picture)));
    }
  }
  return out;
}

}  // namespace tessera
