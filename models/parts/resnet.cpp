#include "models/parts/resnet.h"

namespace tessera {
namespace {

Conv2d convolution(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t dilation = 1) {
  return {in, out, kernel, {.stride = stride, .padding = kernel / 2 * dilation, .dilation = dilation}, false};
}

}  // namespace

Size2d ResNetOptions::map_size(Size2d picture) const {
  // An odd kernel that is padded by half of it leaves every stride-th pixel, the first among them.
  const auto halved = [&](int64_t side) {
    side = (side + stem_stride - 1) / stem_stride;
    if (stem_pool) side = (side + 1) / 2;
    for (size_t stage = 1; stage < widths.size(); ++stage) side = (side + 1) / 2;
    return side;
  };
  return {halved(picture.height), halved(picture.width)};
}

ResidualBlock::ResidualBlock(int64_t in, int64_t width, int64_t out, int64_t stride, bool bottleneck,
                             int64_t dilation) {
  check(dilation == 1 || bottleneck, "resnet: a dilation of ", dilation, " in a block without bottleneck");
  if (bottleneck) {
    convolutions = {convolution(in, width, 1, 1), convolution(width, width, 3, stride, dilation),
                    convolution(width, out, 1, 1)};
    norms = {BatchNorm2d(width), BatchNorm2d(width), BatchNorm2d(out)};
  } else {
    convolutions = {convolution(in, width, 3, stride), convolution(width, out, 3, 1)};
    norms = {BatchNorm2d(width), BatchNorm2d(out)};
  }
  if (stride == 1 && in == out) return;
  shortcut = convolution(in, out, 1, stride);
  shortcut_norm = BatchNorm2d(out);
}

Variable ResidualBlock::operator()(const Variable& x, bool training) const {
  Variable y = x;
  for (size_t i = 0; i < convolutions.size(); ++i) {
    y = norms[i](convolutions[i](y), training);
    if (i + 1 < convolutions.size()) y = relu(y);
  }
  return relu(y + (shortcut ? (*shortcut_norm)((*shortcut)(x), training) : x));
}

void ResidualBlock::set_norm_eps(double eps) {
  for (BatchNorm2d& norm : norms) norm.eps = eps;
  if (shortcut_norm) shortcut_norm->eps = eps;
}

void ResidualBlock::visit(const std::string& prefix, const ParameterVisitor& visitor) {
  for (size_t i = 0; i < convolutions.size(); ++i) {
    convolutions[i].visit(join_name(prefix, text("conv", i + 1)), visitor);
    norms[i].visit(join_name(prefix, text("bn", i + 1)), visitor);
  }
  if (!shortcut) return;
  shortcut->visit(join_name(prefix, "downsample.0"), visitor);
  shortcut_norm->visit(join_name(prefix, "downsample.1"), visitor);
}

ResNet::ResNet(const ResNetOptions& o) : options(o) {
  check(!o.widths.empty() && o.layers.size() == o.widths.size(), "resnet: ", o.layers.size(), " stages of ",
        o.widths.size(), " widths, expected as many and at least one");
  check(o.stem_kernel > 0 && o.stem_kernel % 2 == 1 && o.stem_stride > 0, "resnet: a stem of ", o.stem_kernel, " x ",
        o.stem_kernel, " pixels with stride ", o.stem_stride, ", expected an odd kernel and a positive stride");
  int64_t in = o.stem > 0 ? o.stem : o.widths[0];
  stem = convolution(3, in, o.stem_kernel, o.stem_stride);
  stem_norm = BatchNorm2d(in);
  for (size_t stage = 0; stage < o.layers.size(); ++stage) {
    std::vector<ResidualBlock>& blocks = stages.emplace_back();
    for (int64_t i = 0; i < o.layers[stage]; ++i) {
      blocks.emplace_back(in, o.widths[stage], o.channels(stage), stage > 0 && i == 0 ? 2 : 1, o.bottleneck);
      in = o.channels(stage);
    }
  }
}

ResNet::Output ResNet::operator()(const Variable& x, bool training) const {
  Output out;
  out.stem = relu(stem_norm(stem(x), training));
  out.pool = options.stem_pool ? max_pool2d(out.stem, {.kernel = 3, .stride = 2, .padding = 1}) : out.stem;
  Variable y = out.pool;
  for (const std::vector<ResidualBlock>& blocks : stages) {
    for (const ResidualBlock& block : blocks) y = block(y, training);
    out.stages.push_back(y);
  }
  return out;
}

void ResNet::set_norm_eps(double eps) {
  stem_norm.eps = eps;
  for (std::vector<ResidualBlock>& blocks : stages)
    for (ResidualBlock& block : blocks) block.set_norm_eps(eps);
}

Variable ResNet::Output::features() const {
  const Variable& last = stages.back();
  return reshape(adaptive_avg_pool2d(last, 1), {last.size(0), last.size(1)});
}

void ResNet::visit(const std::string& prefix, const ParameterVisitor& visitor) {
  stem.visit(join_name(prefix, "conv1"), visitor);
  stem_norm.visit(join_name(prefix, "bn1"), visitor);
  for (size_t stage = 0; stage < stages.size(); ++stage)
    for (size_t i = 0; i < stages[stage].size(); ++i)
      stages[stage][i].visit(join_name(prefix, text("layer", stage + 1, '.', i)), visitor);
}

}  // namespace tessera
