#include "models/vilbert/inputs.h"

#include <algorithm>

#include "tensor/ops/concatenate.h"

namespace tessera {
namespace {

constexpr int64_t kPlaces = 5;

void check_ids(const char* what, size_t text, const std::vector<int64_t>& ids, int64_t rows) {
  for (const int64_t id : ids)
    check(id >= 0 && id < rows, "vilbert: text ", text, " has the ", what, " ", id, ", expected 0 to ", rows - 1);
}

}  // namespace

VilbertTexts VilbertTexts::of(const std::vector<std::vector<int64_t>>& texts, const VilbertConfig& config,
                              const std::vector<std::vector<int64_t>>& segments) {
  check(!texts.empty(), "vilbert: there are no texts");
  check(segments.empty() || segments.size() == texts.size(), "vilbert: segments of ", segments.size(), " texts, not ",
        texts.size());
  std::vector<int64_t> ids, positions, types, marks{0};
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto length = static_cast<int64_t>(texts[i].size());
    check(length >= 1 && length <= config.text.max_position_embeddings, "vilbert: text ", i, " has ", length,
          " tokens, expected 1 to ", config.text.max_position_embeddings);
    check_ids("token", i, texts[i], config.text.vocab_size);
    ids.insert(ids.end(), texts[i].begin(), texts[i].end());
    for (int64_t position = 0; position < length; ++position) positions.push_back(position);
    if (segments.empty()) {
      types.insert(types.end(), texts[i].size(), 0);
    } else {
      check(segments[i].size() == texts[i].size(), "vilbert: text ", i, " has ", length, " tokens and segments of ",
            segments[i].size());
      check_ids("segment", i, segments[i], config.text.type_vocab_size);
      types.insert(types.end(), segments[i].begin(), segments[i].end());
    }
    marks.push_back(marks.back() + length);
  }
  return {Tensor::from(ids), Tensor::from(positions), Tensor::from(types), Tensor::from(marks)};
}

PictureRows picture_rows(const Tensor& features, const Tensor& boxes, double width, double height,
                         const MaskedRegions& masked) {
  check(features.dim() == 2 && features.size(0) >= 1, "vilbert: features of regions are ", features.shape(),
        ", expected a row for each of at least one region");
  const int64_t regions = features.size(0), size = features.size(1);
  check(boxes.shape() == Shape{regions, 4}, "vilbert: boxes are ", boxes.shape(), ", expected ", Shape{regions, 4});
  check(width > 0 && height > 0, "vilbert: a picture of ", width, " x ", height, " pixels");
  const std::vector<float> corners = boxes.to_vector<float>();
  std::vector<float> values = features.to_vector<float>();
  std::vector<bool> in_mean(static_cast<size_t>(regions), true);
  for (const int64_t region : masked.masked) in_mean.at(static_cast<size_t>(region)) = false;
  const auto count = std::max<double>(1, static_cast<double>(std::count(in_mean.begin(), in_mean.end(), true)));
  std::vector<double> mean(static_cast<size_t>(size), 0);
  for (size_t i = 0; i < values.size(); ++i)
    if (in_mean[i / mean.size()]) mean[i % mean.size()] += values[i] / count;
  for (const int64_t region : masked.hidden) {
    check(region >= 0 && region < regions, "vilbert: region ", region, " of ", regions, " is to be hidden");
    std::fill_n(values.begin() + region * size, size, 0.0F);
  }
  std::vector<float> rows(mean.begin(), mean.end()), locations{0, 0, 1, 1, 1};
  rows.insert(rows.end(), values.begin(), values.end());
  for (size_t i = 0; i < corners.size(); i += 4) {
    const double x1 = corners[i] / width, y1 = corners[i + 1] / height;
    const double x2 = corners[i + 2] / width, y2 = corners[i + 3] / height;
    for (const double each : {x1, y1, x2, y2, (x2 - x1) * (y2 - y1)}) locations.push_back(static_cast<float>(each));
  }
  return {Tensor::from(rows, {regions + 1, size}), Tensor::from(locations, {regions + 1, kPlaces})};
}

VilbertPictures VilbertPictures::of(const std::vector<PictureRows>& pictures, const VilbertConfig& config) {
  check(!pictures.empty(), "vilbert: there are no pictures");
  std::vector<Tensor> features, locations;
  std::vector<int64_t> marks{0};
  for (size_t i = 0; i < pictures.size(); ++i) {
    const auto& [of_regions, places] = pictures[i];
    check(of_regions.dim() == 2 && of_regions.size(1) == config.v_feature_size, "vilbert: features of picture ", i,
          " are ", of_regions.shape(), ", expected rows of ", config.v_feature_size);
    const int64_t rows = of_regions.size(0);
    check(rows >= 2, "vilbert: picture ", i, " has no regions: ", rows, " rows, of which the first is the whole");
    check(places.shape() == Shape{rows, kPlaces}, "vilbert: places of picture ", i, " are ", places.shape(),
          ", expected ", Shape{rows, kPlaces});
    features.push_back(of_regions);
    locations.push_back(places);
    marks.push_back(marks.back() + rows);
  }
  return {ops::concatenate(features, 0), ops::concatenate(locations, 0), Tensor::from(marks)};
}

VilbertPictures VilbertPictures::to(DType dtype, Device device) const {
  return {features.to(dtype).to(device), locations.to(dtype).to(device), cu_seqlens};
}

}  // namespace tessera
