#include "models/zoo/multiply_adds.h"

namespace tessera::zoo {
namespace {

Size2d through(Size2d input, Size2d kernel, Size2d stride, Size2d padding, Size2d dilation = 1) {
  return ops::make_windows("multiply_adds", input, kernel, stride, padding, dilation).output;
}

int64_t of_mlp(const Mlp& mlp, int64_t rows) { return multiply_adds(mlp.fc1, rows) + multiply_adds(mlp.fc2, rows); }

}  // namespace

int64_t multiply_adds(const Linear& layer, int64_t rows) { return rows * layer.weight.value().numel(); }

int64_t multiply_adds(const Conv2d& layer, Size2d& plane) {
  const Shape& weight = layer.weight.shape();
  plane =
      through(plane, {weight[2], weight[3]}, layer.settings.stride, layer.settings.padding, layer.settings.dilation);
  return plane.area() * layer.weight.value().numel();
}

int64_t multiply_adds(const TransformerBlock& block, int64_t tokens) {
  check(!block.cross.has_value(), "multiply_adds: a block with cross-attention needs the number of its states");
  const int64_t d = block.attention.output.weight.size(0);
  const int64_t seen = block.attention.causal ? tokens * (tokens + 1) / 2 : tokens * tokens;
  return multiply_adds(block.attention.qkv, tokens) + 2 * seen * d + multiply_adds(block.attention.output, tokens) +
         of_mlp(block.mlp, tokens);
}

int64_t multiply_adds(const CoAttention& layer, int64_t regions, int64_t tokens) {
  const int64_t d = layer.qkv1.weight.size(0) / 3;
  return multiply_adds(layer.qkv1, regions) + multiply_adds(layer.qkv2, tokens) + 4 * regions * tokens * d +
         multiply_adds(layer.dense1, regions) + multiply_adds(layer.dense2, tokens) +
         of_mlp(layer.vision_mlp, regions) + of_mlp(layer.text_mlp, tokens);
}

int64_t multiply_adds(const GruLayers& layers, int64_t tokens) {
  int64_t sum = 0;
  for (const GruLayer& direction : layers.directions)
    sum += tokens * (direction.weight_ih.value().numel() + direction.weight_hh.value().numel());
  return sum;
}

int64_t multiply_adds(const ResidualBlock& block, Size2d& plane) {
  int64_t sum = 0;
  Size2d beside = plane;
  for (const Conv2d& convolution : block.convolutions) sum += multiply_adds(convolution, plane);
  if (block.shortcut) sum += multiply_adds(*block.shortcut, beside);
  return sum;
}

int64_t multiply_adds(const ResNet& network, Size2d& plane) {
  int64_t sum = multiply_adds(network.stem, plane);
  plane = through(plane, 3, 2, 1);
  for (const std::vector<ResidualBlock>& stage : network.stages)
    for (const ResidualBlock& block : stage) sum += multiply_adds(block, plane);
  return sum;
}

int64_t multiply_adds(const ModifiedResNet& network) {
  Size2d plane = network.options.image_size;
  int64_t sum = 0;
  for (const Conv2d* stem : {&network.conv1, &network.conv2, &network.conv3}) sum += multiply_adds(*stem, plane);
  plane = through(plane, 2, 2, 0);
  for (const std::vector<ModifiedBottleneck>& stage : network.stages)
    for (const ModifiedBottleneck& block : stage) {
      sum += multiply_adds(block.conv1, plane);
      sum += multiply_adds(block.conv2, plane);
      if (block.stride > 1) plane = through(plane, block.stride, block.stride, 0);
      Size2d beside = plane;
      sum += multiply_adds(block.conv3, plane);
      if (block.shortcut) sum += multiply_adds(*block.shortcut, beside);
    }
  const int64_t tokens = 1 + plane.area(), channels = network.options.channels();
  return sum + multiply_adds(network.query, 1) + multiply_adds(network.key, tokens) +
         multiply_adds(network.value, tokens) + 2 * tokens * channels + multiply_adds(network.output, 1);
}

}  // namespace tessera::zoo
