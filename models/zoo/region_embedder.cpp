// The picture embedder of the region models: bottom-up-attention's detector (Anderson et al., CVPR 2018) as far as
// torchvision's definitions go (models/regions/): ResNet-101, its first three stages for the whole picture, 300 of
// 6,000 proposals, the fourth stage dilated on each of them, 1,600 classes and the background.
#include <algorithm>

#include "io/words.h"
#include "models/regions/detector.h"
#include "models/regions/selection.h"
#include "models/zoo/multiply_adds.h"
#include "models/zoo/system.h"

namespace tessera::zoo {
namespace {

RegionsConfig detector_config(bool quick) {
  RegionsConfig config;
  config.pyramid = false;
  config.dilated = true;
  config.cnn.layers = {3, 4, 23, 3};
  config.classes = 1601;
  config.anchor_sizes = {{64, 128, 256, 512}};
  config.bins = 14;
  config.proposals = {.before_nms = 6000, .after_nms = 300};
  if (quick) {
    config.cnn = {.bottleneck = true, .layers = {1, 1, 1, 1}, .widths = {4, 4, 8, 8}, .stem = 4};
    config.classes = 21;
    config.anchor_sizes = {{16, 32}};
    config.bins = 4;
    config.proposals = {.before_nms = 60, .after_nms = 20};
  }
  return config;
}

// The canvas of a picture: sides are multiples of 32.
Size2d canvas_of(Size2d picture) { return {(picture.height + 31) / 32 * 32, (picture.width + 31) / 32 * 32}; }

Probabilities softmax_of(const Variable& logits) {
  const Tensor host = logits.value().to(Device{}).to(DType::f64);
  Probabilities out = matrix_map<double>(host).array();
  for (Eigen::Index row = 0; row < out.rows(); ++row) {
    out.row(row) = (out.row(row) - out.row(row).maxCoeff()).exp().eval();
    out.row(row) /= out.row(row).sum();
  }
  return out;
}

// Pictures go through it one after another, and their regions by hundreds: what a stage computes of a large picture,
// and of all its regions, is half a gigabyte, and nothing would be gained by more at once.
struct Pipeline {
  FasterRcnn model;
  std::vector<Variable> pictures;  // [1, 3, height, width]
  Size2d picture, canvas;
  // Of each picture, what a part leaves.
  std::vector<std::vector<Variable>> levels;
  std::vector<ObjectnessMaps> maps;
  std::vector<Boxes> proposals;
  std::vector<Probabilities> probabilities;
  std::vector<SelectedRegions> selected;

  explicit Pipeline(const Work& work)
      : model(detector_config(work.quick)),
        picture(work.picture),
        canvas(canvas_of(work.picture)),
        levels(static_cast<size_t>(work.batch)),
        maps(levels.size()),
        proposals(levels.size()),
        probabilities(levels.size()),
        selected(levels.size()) {
    draw(model);
    for (int64_t i = 0; i < work.batch; ++i)
      pictures.emplace_back(noise({1, 3, canvas.height, canvas.width}, static_cast<uint64_t>(i)));
  }

  template <class Do>
  static std::function<void()> for_each(const std::shared_ptr<Pipeline>& self, Do act) {
    return [self, act] {
      for (size_t i = 0; i < self->pictures.size(); ++i) act(*self, i);
    };
  }

  void run_head(size_t i) {
    constexpr Eigen::Index kAtOnce = 100;
    const Boxes& boxes = proposals[i];
    Probabilities& out = probabilities[i];
    out.resize(boxes.rows(), model.config.classes);
    for (Eigen::Index begin = 0; begin < boxes.rows(); begin += kAtOnce) {
      const Eigen::Index count = std::min(kAtOnce, boxes.rows() - begin);
      const RegionOutput regions = model.heads(levels[i], canvas.height, {boxes.middleRows(begin, count)});
      out.middleRows(begin, count) = softmax_of(regions.class_logits);
    }
  }
};

}  // namespace

std::vector<Part> region_parts(const Work& work) {
  const auto p = std::make_shared<Pipeline>(work);
  FasterRcnn& model = p->model;
  const RegionsConfig& config = model.config;
  Size2d plane = p->canvas;
  const int64_t backbone = multiply_adds(model.backbone.body, plane);
  Size2d hidden = plane;
  int64_t rpn = multiply_adds(model.rpn.hidden, hidden);
  rpn += multiply_adds(model.rpn.logits, hidden) + multiply_adds(model.rpn.deltas, hidden);
  int64_t head = multiply_adds(model.heads.scores, 1) + multiply_adds(model.heads.deltas, 1);
  Size2d bins = config.bins;
  for (const ResidualBlock& block : model.heads.stage) head += multiply_adds(block, bins);
  head *= config.proposals.after_nms;
  const auto part = [&](const std::string& name, int64_t parameters, int64_t count, auto act) {
    return Part{name, Role::picture, parameters, count, Pipeline::for_each(p, act)};
  };
  return {
      part("backbone", parameters_of_layer(model.backbone), backbone,
           [](Pipeline& of, size_t i) { of.levels[i] = of.model.backbone(of.pictures[i]); }),
      part("RPN", parameters_of_layer(model.rpn), rpn,
           [](Pipeline& of, size_t i) { of.maps[i] = of.model.rpn(of.levels[i], of.canvas); }),
      part(
          "NMS of proposals", 0, 0,
          [](Pipeline& of, size_t i) { of.proposals[i] = of.model.rpn.proposals(of.maps[i], {of.picture}, false)[0]; }),
      part("RoI head", parameters_of_layer(model.heads), head, [](Pipeline& of, size_t i) { of.run_head(i); }),
      part(text("NMS of ", with_thousands(config.classes - 1), " classes"), 0, 0,
           [](Pipeline& of, size_t i) { of.selected[i] = select_regions(of.proposals[i], of.probabilities[i]); }),
  };
}

}  // namespace tessera::zoo
