#include "models/training/two_towers.h"

#include <cmath>

namespace tessera {

PairDrawOptions pair_draw_options(const SystemSettings& settings, const SampleSource& train) {
  PairDrawOptions options;
  options.batch_size = settings.train.batch_size;
  options.accumulate = settings.train.accumulate;
  options.seed = static_cast<uint64_t>(settings.train.seed);
  options.curriculum_steps = std::llround(settings.train.curriculum * static_cast<double>(settings.train.steps));
  options.curriculum_group = settings.train.curriculum_group;
  const auto& sets = settings.data.sets;
  if (!sets.empty() && sets[0].weight > 0) {
    options.parts = train.parts();
    for (size_t i = 0; i < sets.size(); ++i) options.parts.at(i).weight = sets[i].weight;
  }
  return options;
}

CaptionModel vector_model(const VectorsOf& texts, const VectorsOf& pictures, const VectorScore& score) {
  CaptionModel out;
  out.threshold = false;
  out.scores = [=](const std::vector<int64_t>& captions, const std::vector<int64_t>& images) {
    return vector_scores(captions, images, texts, pictures, score);
  };
  out.all = [=](const std::vector<int64_t>& images, const std::vector<int64_t>& captions) {
    std::vector<int64_t> every_image, every_caption;
    for (const int64_t image : images)
      for (const int64_t caption : captions) {
        every_image.push_back(image);
        every_caption.push_back(caption);
      }
    return vector_scores(every_caption, every_image, texts, pictures, score);
  };
  return out;
}

}  // namespace tessera
