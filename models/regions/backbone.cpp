#include "models/regions/backbone.h"

namespace tessera {
namespace {

// x [n, channels, height, width] to rows · columns cells, each the nearest of x at or before it.
Variable enlarged(const Variable& x, int64_t rows, int64_t columns) {
  const int64_t n = x.size(0), channels = x.size(1), height = x.size(2), width = x.size(3);
  std::vector<int64_t> index;
  for (int64_t image = 0; image < n; ++image)
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < columns; ++j)
        index.push_back((image * height + i * height / rows) * width + j * width / columns);
  const Variable cells = reshape(contiguous(permute(x, {0, 2, 3, 1})), {n * height * width, channels});
  const Variable out = reshape(gather_rows({cells}, Tensor::from(index)), {n, rows, columns, channels});
  return contiguous(permute(out, {0, 3, 1, 2}));
}

}  // namespace

RegionBackbone::RegionBackbone(const RegionsConfig& config) : pyramid(config.pyramid) {
  ResNetOptions options = config.cnn;
  check(options.bottleneck && options.layers.size() == 4 && options.widths.size() == 4,
        "regions: expected a residual network of four stages of bottlenecks");
  if (!pyramid) {
    options.layers.pop_back();
    options.widths.pop_back();
  }
  body = ResNet(options);
  body.set_norm_eps(config.norm_eps);
  for (size_t stage = 0; pyramid && stage < options.layers.size(); ++stage) {
    laterals.emplace_back(options.channels(stage), config.channels, 1);
    outputs.emplace_back(config.channels, config.channels, 3, Conv2dSettings{.padding = 1});
  }
}

int64_t RegionBackbone::channels() const { return pyramid ? outputs[0].weight.size(0) : body.options.features(); }

std::vector<Variable> RegionBackbone::operator()(const Variable& pixels, bool batch_statistics) const {
  const std::vector<Variable> stages = body(pixels, batch_statistics).stages;
  if (!pyramid) return {stages.back()};
  std::vector<Variable> levels(stages.size());
  Variable coarser;
  for (size_t i = stages.size(); i-- > 0;) {
    const Variable lateral = laterals[i](stages[i]);
    coarser = coarser.defined() ? lateral + enlarged(coarser, lateral.size(2), lateral.size(3)) : lateral;
    levels[i] = outputs[i](coarser);
  }
  levels.push_back(max_pool2d(levels.back(), {.kernel = 1, .stride = 2}));
  return levels;
}

void RegionBackbone::visit(const std::string& prefix, const ParameterVisitor& visitor) {
  body.visit(pyramid ? join_name(prefix, "body") : prefix, visitor);
  for (size_t i = 0; i < laterals.size(); ++i)
    laterals[i].visit(join_name(prefix, text("fpn.inner_blocks.", i, ".0")), visitor);
  for (size_t i = 0; i < outputs.size(); ++i)
    outputs[i].visit(join_name(prefix, text("fpn.layer_blocks.", i, ".0")), visitor);
}

}  // namespace tessera
