// The picture embedder of the region models: bottom-up-attention's detector (Anderson et al., CVPR 2018) as far as
// torchvision's definitions go (models/regions/): ResNet-101, its first three stages for the whole picture, 300 of
// 6,000 proposals, the fourth stage dilated on each of them, 1,600 classes and the background.
#include <cmath>

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

struct Pipeline {
  FasterRcnn model;
  PictureBatch batch;
  std::vector<Variable> levels;
  ObjectnessMaps maps;
  std::vector<Boxes> proposals;
  std::vector<Probabilities> probabilities;  // of each picture
  std::vector<SelectedRegions> selected;

  explicit Pipeline(const Work& work) : model(detector_config(work.quick)) {
    draw(model);
    const Size2d canvas = canvas_of(work.picture);
    batch.pixels = noise({work.batch, 3, canvas.height, canvas.width}, 0);
    batch.originals.assign(static_cast<size_t>(work.batch), work.picture);
    batch.resized = batch.originals;
  }
  Size2d canvas() const { return {batch.pixels.size(2), batch.pixels.size(3)}; }

  // One picture after another: the maps of all regions of a batch would be many gigabytes.
  void run_heads() {
    probabilities.clear();
    for (size_t i = 0; i < proposals.size(); ++i) {
      std::vector<Variable> of_picture;
      for (const Variable& level : levels)
        of_picture.push_back(contiguous(narrow(level, 0, static_cast<int64_t>(i), 1)));
      probabilities.push_back(softmax_of(model.heads(of_picture, canvas().height, {proposals[i]}).class_logits));
    }
  }
};

}  // namespace

std::vector<Part> region_parts(const Work& work) {
  const auto p = std::make_shared<Pipeline>(work);
  FasterRcnn& model = p->model;
  const RegionsConfig& config = model.config;
  Size2d plane = p->canvas();
  const int64_t backbone = multiply_adds(model.backbone.body, plane);
  Size2d hidden = plane;
  int64_t rpn = multiply_adds(model.rpn.hidden, hidden);
  rpn += multiply_adds(model.rpn.logits, hidden) + multiply_adds(model.rpn.deltas, hidden);
  int64_t head = multiply_adds(model.heads.scores, 1) + multiply_adds(model.heads.deltas, 1);
  Size2d bins = config.bins;
  for (const ResidualBlock& block : model.heads.stage) head += multiply_adds(block, bins);
  head *= config.proposals.after_nms;
  const auto nms = [](const std::string& name, std::function<void()> run) {
    Part part{.name = name};
    part.run = std::move(run);
    return part;
  };
  return {
      {"backbone", Role::picture, parameters_of_layer(model.backbone), backbone,
       [p] { p->levels = p->model.backbone(Variable(p->batch.pixels)); }},
      {"RPN", Role::picture, parameters_of_layer(model.rpn), rpn,
       [p] { p->maps = p->model.rpn(p->levels, p->canvas()); }},
      nms("NMS of proposals", [p] { p->proposals = p->model.rpn.proposals(p->maps, p->batch.resized, false); }),
      {"RoI head", Role::picture, parameters_of_layer(model.heads), head, [p] { p->run_heads(); }},
      nms(text("NMS of ", with_thousands(config.classes - 1), " classes"),
          [p] {
            p->selected.clear();
            for (size_t i = 0; i < p->proposals.size(); ++i)
              p->selected.push_back(select_regions(p->proposals[i], p->probabilities[i]));
          }),
  };
}

}  // namespace tessera::zoo
