#include "models/regions/extraction.h"

#include "autograd/tape.h"
#include "io/printable.h"

namespace tessera {
namespace {

// Runs the model on the pictures of each size together. handle(pictures, result): which they are.
template <class Handle>
void for_each_size(const FasterRcnn& model, const std::vector<Image>& pictures, const Handle& handle) {
  const NoGrad no_grad;
  const Tensor& weight = model.heads.scores.weight.value();
  std::map<std::pair<int, int>, std::vector<size_t>> by_size;
  for (size_t i = 0; i < pictures.size(); ++i) by_size[{pictures[i].height, pictures[i].width}].push_back(i);
  for (const auto& [size, numbers] : by_size) {
    std::vector<Tensor> pixels;
    for (const size_t i : numbers) pixels.push_back(picture_pixels(pictures[i]));
    PictureBatch batch = picture_batch(pixels, model.config, weight.dtype());
    batch.pixels = batch.pixels.to(weight.device());
    handle(numbers, batch, model.detect(batch));
  }
}

Regions no_regions(const Image& picture, int64_t features, int64_t classes) {
  return {.height = picture.height,
          .width = picture.width,
          .boxes = Tensor::zeros({0, 4}),
          .features = Tensor::zeros({0, features}),
          .distributions = Tensor::zeros({0, classes}),
          .confidences = Tensor::zeros({0}),
          .objects = {}};
}

// The regions of one picture among those of a batch: rows from `begin` on of `features` and `probabilities`.
Regions selected_regions(const Image& picture, const Boxes& boxes, const Tensor& features,
                         const Probabilities& probabilities, const SelectionRule& rule) {
  const SelectedRegions chosen = select_regions(boxes, probabilities, rule);
  Regions out = no_regions(picture, features.size(1), probabilities.cols());
  if (chosen.rows.empty()) return out;
  out.boxes = tensor_of(picked(boxes, chosen.rows));
  std::vector<float> distributions, confidences;
  for (size_t i = 0; i < chosen.rows.size(); ++i) {
    const int64_t row = chosen.rows[i];
    for (Eigen::Index k = 0; k < probabilities.cols(); ++k)
      distributions.push_back(static_cast<float>(probabilities(row, k)));
    confidences.push_back(static_cast<float>(chosen.confidences[static_cast<size_t>(row)]));
    out.objects.push_back(chosen.objects[i] + 1);
  }
  const auto n = static_cast<int64_t>(chosen.rows.size());
  out.distributions = Tensor::from(distributions, {n, probabilities.cols()});
  out.confidences = Tensor::from(confidences);
  out.features = gather_rows({Variable(features)}, Tensor::from(chosen.rows)).value();
  return out;
}

}  // namespace

std::vector<Detections> detect_objects(const FasterRcnn& model, const std::vector<Image>& pictures) {
  std::vector<Detections> out(pictures.size());
  for_each_size(model, pictures,
                [&](const std::vector<size_t>& numbers, const PictureBatch&, const FasterRcnn::Result& result) {
                  std::vector<Detections> found = detect_pairs(model, result);
                  for (size_t k = 0; k < numbers.size(); ++k) out[numbers[k]] = std::move(found[k]);
                });
  return out;
}

std::vector<Regions> extract_regions(const FasterRcnn& model, const std::vector<Image>& pictures,
                                     const SelectionRule& rule) {
  const RegionsConfig& config = model.config;
  const int64_t classes = config.attributes > 0 ? 1 + (config.classes - 1) * config.attributes : config.classes;
  std::vector<Regions> out(pictures.size());
  for_each_size(model, pictures,
                [&](const std::vector<size_t>& numbers, const PictureBatch& batch, const FasterRcnn::Result& result) {
                  const bool none = !result.regions.features.defined();
                  const Tensor features = none ? Tensor() : result.regions.features.value().to(Device{}).to(DType::f32);
                  const std::vector<double> of_all =
                      none ? std::vector<double>() : region_probabilities(model.heads, result.regions);
                  int64_t begin = 0;
                  for (size_t k = 0; k < numbers.size(); ++k) {
                    const Image& picture = pictures[numbers[k]];
                    const int64_t count = result.proposals[k].rows();
                    if (count == 0) {
                      out[numbers[k]] = no_regions(picture, config.features(), classes);
                      continue;
                    }
                    const Probabilities of_picture = Eigen::Map<const Probabilities>(
                        of_all.data() + begin * classes, static_cast<Eigen::Index>(count),
                        static_cast<Eigen::Index>(classes));
                    out[numbers[k]] =
                        selected_regions(picture, rescaled(result.proposals[k], batch.resized[k], batch.originals[k]),
                                         features.narrow(0, begin, count), of_picture, rule);
                    begin += count;
                  }
                });
  return out;
}

SelectionRule selection_rule(const RegionsConfig& config) {
  if (config.proposals.after_nms >= 100) return {};
  return {.confidence = 0.2, .least = 4, .most = 8, .nms = 0.3};
}

int64_t extract_regions(const FasterRcnn& model, const ExtractionPictures& pictures, const SelectionRule& rule,
                        RegionWriter& writer, int64_t batch, const ProgressCallback& progress,
                        const std::function<void(const std::string&)>& left_out) {
  int64_t written = 0;
  const auto all = static_cast<int64_t>(pictures.names.size());
  for (int64_t first = 0; first < all; first += batch) {
    const int64_t end = std::min(first + batch, all);
    std::vector<Image> images;
    std::vector<size_t> numbers;
    for (int64_t i = first; i < end; ++i) {
      try {
        images.push_back(pictures.read(i));
        numbers.push_back(static_cast<size_t>(i));
      } catch (const Error& error) {
        if (!left_out) throw;
        left_out(error.what());
      }
    }
    std::vector<Regions> found = extract_regions(model, images, rule);
    for (size_t k = 0; k < found.size(); ++k) writer.add(pictures.names[numbers[k]], std::move(found[k]));
    written += static_cast<int64_t>(found.size());
    if (progress) progress(end, all);
  }
  return written;
}

}  // namespace tessera
