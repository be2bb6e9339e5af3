#include "models/uniter/batch.h"

#include <algorithm>

#include "autograd/functions.h"
#include "tensor/error.h"

namespace tessera {
namespace {

void check_sample(const UniterSample& sample, size_t i, const UniterConfig& config) {
  const auto length = static_cast<int64_t>(sample.ids.size());
  check(length > 0, "uniter: sample ", i, " has no text");
  check(length <= config.bert.max_position_embeddings, "uniter: sample ", i, " has a text of ", length,
        " tokens, the model reads at most ", config.bert.max_position_embeddings);
  check(sample.features.defined() && sample.features.shape().dim() == 2 && sample.features.size(0) > 0,
        "uniter: sample ", i, " has no regions");
  const int64_t regions = sample.features.size(0);
  check(sample.features.size(1) == config.img_dim, "uniter: sample ", i, " has regions of ", sample.features.size(1),
        " features, the model reads ", config.img_dim);
  check(sample.places.defined() && sample.places.shape() == Shape{regions, kUniterPlace}, "uniter: sample ", i,
        " has places of another shape than ", Shape{regions, kUniterPlace});
  for (const int64_t region : sample.masked)
    check(region >= 0 && region < regions, "uniter: sample ", i, " masks region ", region, " of ", regions);
  check(std::is_sorted(sample.masked.begin(), sample.masked.end(), std::less_equal<>()), "uniter: sample ", i,
        " names masked regions twice or not in order");
  check(sample.image_type >= 0 && sample.image_type < config.bert.type_vocab_size, "uniter: sample ", i,
        " has an image of type ", sample.image_type, ", the model knows ", config.bert.type_vocab_size);
}

}  // namespace

std::array<float, kUniterPlace> uniter_place(float x1, float y1, float x2, float y2, float width, float height) {
  check(width > 0 && height > 0, "uniter: a picture of ", width, " x ", height, " pixels");
  const float w = (x2 - x1) / width, h = (y2 - y1) / height;
  return {x1 / width, y1 / height, x2 / width, y2 / height, w, h, w * h};
}

UniterBatch UniterBatch::of(const std::vector<UniterSample>& samples, const UniterConfig& config) {
  check(!samples.empty(), "uniter: a batch without samples");
  int64_t tokens = 0, regions = 0;
  std::vector<Variable> features, places;
  for (size_t i = 0; i < samples.size(); ++i) {
    check_sample(samples[i], i, config);
    tokens += static_cast<int64_t>(samples[i].ids.size());
    regions += samples[i].features.size(0);
    features.emplace_back(samples[i].features);
    places.emplace_back(samples[i].places);
  }
  std::vector<int64_t> ids, positions, region_types, feature_rows, order, text_rows, region_rows, masked_rows;
  std::vector<int64_t> marks{0}, text_marks{0}, region_marks{0};
  for (const UniterSample& sample : samples) {
    for (size_t t = 0; t < sample.ids.size(); ++t) {
      text_rows.push_back(static_cast<int64_t>(order.size()));
      order.push_back(static_cast<int64_t>(ids.size()));
      ids.push_back(sample.ids[t]);
      positions.push_back(static_cast<int64_t>(t));
    }
    for (int64_t r = 0; r < sample.features.size(0); ++r) {
      const bool masked = std::binary_search(sample.masked.begin(), sample.masked.end(), r);
      const auto row = static_cast<int64_t>(order.size()), region = static_cast<int64_t>(region_rows.size());
      region_rows.push_back(row);
      if (masked) masked_rows.push_back(row);
      feature_rows.push_back(masked ? regions : region);
      region_types.push_back(sample.image_type);
      order.push_back(tokens + region);
    }
    marks.push_back(static_cast<int64_t>(order.size()));
    text_marks.push_back(static_cast<int64_t>(text_rows.size()));
    region_marks.push_back(static_cast<int64_t>(region_rows.size()));
  }
  return {.ids = Tensor::from(ids),
          .positions = Tensor::from(positions),
          .text_types = Tensor::zeros({tokens}, DType::i64),
          .features = concatenate(features, 0).value(),
          .places = concatenate(places, 0).value(),
          .region_types = Tensor::from(region_types),
          .feature_rows = Tensor::from(feature_rows),
          .order = Tensor::from(order),
          .text_rows = Tensor::from(text_rows),
          .region_rows = Tensor::from(region_rows),
          .masked_rows = Tensor::from(masked_rows),
          .cu_seqlens = Tensor::from(marks),
          .cu_text = Tensor::from(text_marks),
          .cu_regions = Tensor::from(region_marks)};
}

}  // namespace tessera
