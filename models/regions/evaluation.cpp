#include "models/regions/evaluation.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "autograd/tape.h"
#include "io/words.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

Json figure_of(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

std::map<std::string, double> means(const std::map<std::string, std::vector<double>>& values) {
  std::map<std::string, double> out;
  for (const auto& [name, of] : values) {
    double sum = 0;
    for (const double value : of) sum += value;
    out[name] = sum / static_cast<double>(of.size());
  }
  return out;
}

}  // namespace

std::vector<Detections> detect_pairs(const FasterRcnn& model, const FasterRcnn::Result& result) {
  std::vector<Detections> out = result.detections;
  if (!model.heads.attributes || !result.regions.features.defined()) return out;
  int64_t begin = 0;
  for (size_t i = 0; i < out.size(); begin += result.proposals[i++].rows()) {
    Detections& of = out[i];
    if (of.labels.empty()) continue;
    std::vector<int64_t> rows = of.regions;
    for (int64_t& row : rows) row += begin;
    const Variable features = gather_rows({result.regions.features}, Tensor::from(rows));
    const Variable logits = (*model.heads.attributes)(features, of.labels);
    const std::vector<double> values = logits.value().to(Device{}).to(DType::f64).to_vector<double>();
    const auto count = static_cast<size_t>(logits.size(1));
    for (size_t k = 0; k < of.labels.size(); ++k) {
      const double* row = values.data() + k * count;
      const double* best = std::max_element(row, row + count);
      double sum = 0;
      for (size_t j = 0; j < count; ++j) sum += std::exp(row[j] - *best);
      of.scores[k] /= sum;
      of.labels[k] = 1 + (of.labels[k] - 1) * static_cast<int64_t>(count) + (best - row);
    }
  }
  return out;
}

RegionEvaluation evaluate_regions(const FasterRcnn& model, const RegionLabels& labels, const RegionKeys& keys,
                                  const SampleSource& source, const RegionEvaluationOptions& options) {
  const NoGrad no_grad;
  AveragePrecision pairs, classes;
  RegionEvaluation out;
  std::vector<int64_t> images;
  const int64_t all = options.limit > 0 ? std::min(options.limit, source.images()) : source.images();
  for (int64_t image = 0; image < all; ++image)
    if (options.usable == nullptr || options.usable->usable(image)) images.push_back(image);
  const DType dtype = model.heads.scores.weight.value().dtype();
  const Device device = model.heads.scores.weight.value().device();
  const auto batch = static_cast<size_t>(options.batch);
  for (size_t first = 0; first < images.size(); first += batch) {
    std::vector<Tensor> pictures;
    for (size_t i = first; i < std::min(first + batch, images.size()); ++i)
      pictures.push_back(picture_pixels(source.resized(images[i])->image));
    PictureBatch prepared = picture_batch(pictures, model.config, dtype);
    prepared.pixels = prepared.pixels.to(device);
    const FasterRcnn::Result result = model.detect(prepared);
    const std::vector<Detections> found = detect_pairs(model, result);
    for (size_t i = 0; i < found.size(); ++i) {
      const TrueBoxes truth = true_boxes(source.dataset(), images[first + i], labels, keys);
      std::vector<int64_t> of_pairs;
      for (size_t k = 0; k < truth.labels.size(); ++k)
        of_pairs.push_back(labels.pair(truth.labels[k], truth.attributes.empty() ? 0 : truth.attributes[k]));
      pairs.add(found[i].boxes, found[i].scores, found[i].labels, truth.boxes, of_pairs);
      const Detections& of_class = result.detections[i];
      classes.add(of_class.boxes, of_class.scores, of_class.labels, truth.boxes, truth.labels);
      out.boxes += truth.boxes.rows();
    }
    out.pictures += static_cast<int64_t>(found.size());
    if (options.tell) options.tell(static_cast<size_t>(out.pictures), images.size());
  }
  out.pairs = pairs.mean();
  out.classes = classes.mean();
  std::map<std::string, std::vector<double>> by_class, by_attribute;
  const auto attributes = static_cast<int64_t>(labels.attributes.size());
  for (const auto& [label, of] : pairs.by_class()) {
    if (of.truths == 0) continue;
    const int64_t of_class = attributes > 0 ? 1 + (label - 1) / attributes : label;
    by_class[labels.classes[static_cast<size_t>(of_class)]].push_back(of.value);
    if (attributes > 0)
      by_attribute[labels.attributes[static_cast<size_t>((label - 1) % attributes)]].push_back(of.value);
  }
  out.by_class = means(by_class);
  out.by_attribute = means(by_attribute);
  return out;
}

std::string RegionEvaluation::json() const {
  const Json out = {{"pictures", pictures},      {"boxes", boxes},
                    {"ap50", figure_of(pairs)},  {"ap50_classes", figure_of(classes)},
                    {"ap50_by_class", by_class}, {"ap50_by_attribute", by_attribute}};
  return out.dump();
}

std::string RegionEvaluation::words() const {
  const auto figure = [](const std::optional<double>& value) { return value ? fixed_text(*value, 3) : "-"; };
  return text(pictures, " pictures: AP50 ", figure(pairs), ", of classes alone ", figure(classes));
}

}  // namespace tessera
