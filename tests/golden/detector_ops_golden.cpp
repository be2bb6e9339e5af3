// detector_ops: torchvision's operators of a detector, for the cases of config.json: pooling of regions and its
// gradient, smooth L1; and without gradients anchors, box coder, overlap, matching, suppression, levels of a pyramid.
// Boxes are f64 whatever is computed on.
#include <string>
#include <vector>

#include "autograd/functions.h"
#include "data/boxes/anchors.h"
#include "data/boxes/box_coder.h"
#include "data/boxes/matching.h"
#include "data/boxes/nms.h"
#include "io/safetensors.h"
#include "tests/golden/compare.h"
#include "tests/golden/device.h"
#include "tests/golden/json.h"

namespace tessera::golden {
namespace {

struct DetectorCase {
  SafeTensors file;
  nlohmann::json config;
  Comparison comparison;

  explicit DetectorCase(const std::filesystem::path& directory)
      : file(load_safetensors((directory / "case.safetensors").string())),
        config(read_json(directory / "config.json")),
        comparison(directory) {}

  Boxes boxes(const std::string& name) const { return boxes_of(file.at(name)); }
  void compare(const std::string& name, const Tensor& got) { comparison.compare(name, got, file.at(name)); }
  void compare(const std::string& name, const std::vector<int64_t>& got) { compare(name, Tensor::from(got)); }
  void compare(const std::string& name, const Boxes& got) {
    compare(name, tensor_of(got, DType::f64).view(file.at(name).shape()));
  }
  void compare(const std::string& name, const Eigen::ArrayXXd& got) {
    Tensor matrix = Tensor::empty({got.rows(), got.cols()}, DType::f64);
    mutable_matrix_map<double>(matrix).array() = got;
    compare(name, matrix);
  }
};

std::vector<double> numbers(const nlohmann::json& list) { return list.get<std::vector<double>>(); }

void run_boxes(DetectorCase& c) {
  const auto& anchors = c.config.at("anchors");
  for (size_t k = 0; k < anchors.size(); ++k) {
    const Boxes cell = cell_anchors(numbers(anchors[k].at("sizes")), numbers(anchors[k].at("ratios")));
    c.compare(text("anchors.", k, ".cell"), cell);
    const auto &grid = anchors[k].at("grid"), &stride = anchors[k].at("stride");
    c.compare(text("anchors.", k, ".grid"), grid_anchors(cell, grid[0].get<int64_t>(), grid[1].get<int64_t>(),
                                                         stride[0].get<double>(), stride[1].get<double>()));
  }
  const auto& legacy = c.config.at("legacy");
  c.compare("legacy_anchors", first_cell_anchors(numbers(legacy.at("ratios")), numbers(legacy.at("scales"))));

  const Boxes references = c.boxes("coder.boxes");
  const std::vector<double> image = numbers(c.config.at("image"));
  const BoxCoder rpn, roi{{10, 10, 5, 5}};
  for (const auto& [name, coder] :
       {std::pair{std::string("coder.rpn"), rpn}, std::pair{std::string("coder.roi"), roi}}) {
    c.compare(name + ".encoded", coder.encode(c.boxes("coder.gt"), references));
    const Boxes decoded = coder.decode(c.boxes("coder.deltas"), references);
    c.compare(name + ".decoded", decoded);
    c.compare(name + ".clipped", clipped(decoded, image[0], image[1]));
  }
  const Tensor by_class = c.file.at("coder.multi.deltas").to(DType::f64);
  c.compare("coder.multi.decoded", roi.decode(matrix_map<double>(by_class).array(), references));
  c.compare("small.keep", boxes_with_sides(c.boxes("small.boxes"), 1e-3));

  const Boxes a = c.boxes("iou.a"), b = c.boxes("iou.b");
  c.compare("iou.out", intersection_over_union(a, b));
  c.compare("iou.plus_one", intersection_over_union(a, b, BoxEnds::behind_pixel));
  const Eigen::ArrayXXd overlap = intersection_over_union(c.boxes("match.gt"), c.boxes("match.boxes"));
  c.compare("match.rpn", matched(overlap, {.high = 0.7, .low = 0.3, .best_of_each = true}));
  c.compare("match.roi", matched(overlap, {.high = 0.5, .low = 0.5}));
  const auto& levels = c.config.at("levels");
  c.compare("levels.out", pyramid_levels(c.boxes("levels.boxes"), {.first = levels.at("k_min"),
                                                                   .last = levels.at("k_max"),
                                                                   .canonical_size = levels.at("canonical_scale"),
                                                                   .canonical_level = levels.at("canonical_level")}));
}

void run_suppression(DetectorCase& c) {
  const Boxes all = c.boxes("nms.boxes");
  const std::vector<double> scores = c.file.at("nms.scores").to(DType::f64).to_vector<double>();
  const std::vector<int64_t> classes = c.file.at("nms.classes").to_vector<int64_t>();
  for (const auto& item : c.file.tensors)
    for (const std::string& start : {std::string("nms.keep."), std::string("nms.class_keep.")})
      if (item.first.starts_with(start)) {
        const double threshold = std::stod(item.first.substr(start.size()));
        c.compare(item.first, start == "nms.keep." ? suppressed(all, scores, threshold)
                                                   : suppressed_by_class(all, scores, classes, threshold));
      }
  c.compare("nms.empty", suppressed(Boxes(0, 4), {}, 0.5));
}

void run_regions(DetectorCase& c, DType dtype) {
  const auto features = [&](const std::string& name) {
    return Variable(c.file.at(name).to(dtype).to(computed_on), true);
  };
  const auto finish = [&](const std::string& name, const Variable& map, const Variable& out) {
    out.backward(c.file.at(name + ".cotangent").to(dtype).to(computed_on));
    c.compare(name + ".out", out.value());
    c.compare(name + ".dfeatures", map.grad());
  };
  const auto& aligned = c.config.at("roi_align");
  for (size_t k = 0; k < aligned.size(); ++k) {
    const std::string name = text("roi_align.", k);
    const auto& setting = aligned[k];
    const Variable map = features("roi.features");
    finish(name, map,
           roi_align(map, c.file.at(name + ".rois"),
                     {.height = setting.at("size")[0],
                      .width = setting.at("size")[1],
                      .scale = setting.at("scale"),
                      .sampling = setting.at("sampling"),
                      .aligned = setting.at("aligned")}));
  }
  const auto& pooled = c.config.at("roi_pool");
  for (size_t k = 0; k < pooled.size(); ++k) {
    const std::string name = text("roi_pool.", k);
    const auto& setting = pooled[k];
    const Variable map = features("roi_pool.features");
    finish(name, map,
           roi_pool(map, c.file.at(name + ".rois"),
                    {.height = setting.at("size")[0], .width = setting.at("size")[1], .scale = setting.at("scale")}));
  }
}

// One difference at a time: the loss is a sum.
void run_smooth_l1(DetectorCase& c, DType dtype) {
  const Tensor d = c.file.at("smooth_l1.d").to(dtype);
  std::vector<Tensor> losses, slopes;
  for (int64_t i = 0; i < d.numel(); ++i) {
    const Variable x(d.narrow(0, i, 1).clone().to(computed_on), true);
    const Variable loss = smooth_l1_loss(x, Tensor::zeros({1}, dtype), 1.0 / 9, Reduction::sum);
    loss.backward();
    losses.push_back(loss.value().to(Device{}));
    slopes.push_back(x.grad().to(Device{}));
  }
  Tensor out = Tensor::empty(d.shape(), dtype), slope = Tensor::empty(d.shape(), dtype);
  for (int64_t i = 0; i < d.numel(); ++i) {
    out.select(0, i).copy_(losses[static_cast<size_t>(i)]);
    slope.narrow(0, i, 1).copy_(slopes[static_cast<size_t>(i)]);
  }
  c.compare("smooth_l1.out", out);
  c.compare("smooth_l1.slope", slope);
}

}  // namespace

Outcome run_detector_ops(const std::filesystem::path& directory) {
  DetectorCase c(directory);
  run_boxes(c);
  run_suppression(c);
  for (const DType dtype : computed_dtypes()) {
    run_regions(c, dtype);
    run_smooth_l1(c, dtype);
  }
  return c.comparison.outcome();
}

}  // namespace tessera::golden
