#include "models/clip/modified_resnet.h"

namespace tessera {
namespace {

Conv2d unbiased(int64_t in, int64_t out, int64_t kernel, int64_t stride = 1) {
  return {in, out, kernel, {.stride = stride, .padding = kernel / 2}, false};
}

Variable pooled_by(const Variable& x, int64_t stride) {
  return stride == 1 ? x : avg_pool2d(x, {.kernel = stride, .stride = stride});
}

// 0, step, 2 step, … count · step
Tensor even_marks(int64_t count, int64_t step) {
  std::vector<int64_t> out;
  for (int64_t i = 0; i <= count; ++i) out.push_back(i * step);
  return Tensor::from(out);
}

constexpr int64_t kExpansion = 4;

}  // namespace

ModifiedBottleneck::ModifiedBottleneck(int64_t in, int64_t width, int64_t pools_by)
    : conv1(unbiased(in, width, 1)),
      conv2(unbiased(width, width, 3)),
      conv3(unbiased(width, kExpansion * width, 1)),
      bn1(width),
      bn2(width),
      bn3(kExpansion * width),
      stride(pools_by) {
  if (pools_by == 1 && in == kExpansion * width) return;
  shortcut = unbiased(in, kExpansion * width, 1);
  shortcut_norm = BatchNorm2d(kExpansion * width);
}

Variable ModifiedBottleneck::operator()(const Variable& x, bool training) const {
  Variable y = relu(bn1(conv1(x), training));
  y = relu(bn2(conv2(y), training));
  y = bn3(conv3(pooled_by(y, stride)), training);
  return relu(y + (shortcut ? (*shortcut_norm)((*shortcut)(pooled_by(x, stride)), training) : x));
}

void ModifiedBottleneck::visit(const std::string& prefix, const ParameterVisitor& visitor) {
  const auto at = [&](const char* name) { return join_name(prefix, name); };
  conv1.visit(at("conv1"), visitor);
  bn1.visit(at("bn1"), visitor);
  conv2.visit(at("conv2"), visitor);
  bn2.visit(at("bn2"), visitor);
  conv3.visit(at("conv3"), visitor);
  bn3.visit(at("bn3"), visitor);
  if (!shortcut) return;
  shortcut->visit(at("downsample.0"), visitor);
  shortcut_norm->visit(at("downsample.1"), visitor);
}

ModifiedResNet::ModifiedResNet(const ModifiedResNetOptions& o)
    : options(o),
      conv1(unbiased(3, o.width / 2, 3, 2)),
      conv2(unbiased(o.width / 2, o.width / 2, 3)),
      conv3(unbiased(o.width / 2, o.width, 3)),
      bn1(o.width / 2),
      bn2(o.width / 2),
      bn3(o.width),
      query(o.channels(), o.channels()),
      key(o.channels(), o.channels()),
      value(o.channels(), o.channels()),
      output(o.channels(), o.output_dim) {
  check(o.width >= 2 && o.width % 2 == 0 && o.layers.size() == 4, "modified resnet: width ", o.width, ", ",
        o.layers.size(), " stages, expected an even width and 4 stages");
  check(o.image_size >= 32 && o.image_size % 32 == 0, "modified resnet: pictures of ", o.image_size,
        " pixels a side, expected a multiple of 32");
  check(o.heads >= 1 && o.channels() % o.heads == 0, "modified resnet: ", o.channels(), " channels for ", o.heads,
        " heads, expected a multiple");
  int64_t in = o.width, width = o.width;
  for (size_t stage = 0; stage < o.layers.size(); ++stage, width *= 2) {
    std::vector<ModifiedBottleneck>& blocks = stages.emplace_back();
    for (int64_t i = 0; i < o.layers[stage]; ++i) {
      blocks.emplace_back(in, width, stage > 0 && i == 0 ? 2 : 1);
      in = kExpansion * width;
    }
  }
  const int64_t cells = (o.image_size / 32) * (o.image_size / 32);
  positions = zero_parameter({1 + cells, o.channels()});
}

// Of the mean alone: no other token's output is used.
Variable ModifiedResNet::attention_pool(const Variable& x) const {
  const int64_t n = x.size(0), channels = x.size(1), cells = x.size(2) * x.size(3);
  check(1 + cells == positions.size(0), "modified resnet: ", cells, " cells at the end, the position table has ",
        positions.size(0) - 1);
  const Variable pixels = permute(reshape(x, {n, channels, cells}), {0, 2, 1});
  const Variable tokens =
      concatenate({mean(pixels, 1, true), pixels}, 1) + reshape(positions, {1, 1 + cells, channels});
  const Variable first = reshape(contiguous(narrow(tokens, 1, 0, 1)), {n, channels});
  const Variable all = reshape(contiguous(tokens), {n * (1 + cells), channels});
  return output(
      attention(query(first), key(all), value(all), even_marks(n, 1), even_marks(n, 1 + cells), options.heads));
}

ModifiedResNet::Output ModifiedResNet::operator()(const Variable& x, bool training) const {
  Output out;
  Variable y = relu(bn1(conv1(x), training));
  y = relu(bn2(conv2(y), training));
  y = relu(bn3(conv3(y), training));
  y = out.stem = pooled_by(y, 2);
  for (const std::vector<ModifiedBottleneck>& blocks : stages) {
    for (const ModifiedBottleneck& block : blocks) y = block(y, training);
    out.stages.push_back(y);
  }
  out.features = attention_pool(y);
  return out;
}

void ModifiedResNet::visit(const std::string& prefix, const ParameterVisitor& visitor) {
  const auto at = [&](const std::string& name) { return join_name(prefix, name); };
  conv1.visit(at("conv1"), visitor);
  bn1.visit(at("bn1"), visitor);
  conv2.visit(at("conv2"), visitor);
  bn2.visit(at("bn2"), visitor);
  conv3.visit(at("conv3"), visitor);
  bn3.visit(at("bn3"), visitor);
  for (size_t stage = 0; stage < stages.size(); ++stage)
    for (size_t i = 0; i < stages[stage].size(); ++i)
      stages[stage][i].visit(at(text("layer", stage + 1, '.', i)), visitor);
  visitor(at("attnpool.positional_embedding"), positions);
  query.visit(at("attnpool.q_proj"), visitor);
  key.visit(at("attnpool.k_proj"), visitor);
  value.visit(at("attnpool.v_proj"), visitor);
  output.visit(at("attnpool.c_proj"), visitor);
}

}  // namespace tessera
