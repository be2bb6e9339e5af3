#include "models/training/two_towers.h"

namespace tessera {

PairDrawOptions pair_draw_options(const SystemSettings& settings, const SampleSource& train) {
  PairDrawOptions options;
  static_cast<SamplerOptions&>(options) = sampler_options(settings, train);
  options.accumulate = settings.train.accumulate;
  options.curriculum_group = settings.train.curriculum_group;
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
