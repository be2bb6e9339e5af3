// Residual networks (He, Zhang, Ren, Sun: "Deep Residual Learning for Image Recognition", CVPR 2016) as torchvision
// builds them: a 7 x 7 stem, a max pool, four stages of blocks; where a stage halves the picture, the stride is that of
// a block's 3 x 3 convolution. Parameters have torchvision's names. For pictures of a few dozen pixels the options give
// smaller stems and fewer stages.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "nn/batch_norm.h"
#include "nn/conv2d.h"

namespace tessera {

struct ResNetOptions {
  bool bottleneck = true;                          // blocks of 1 x 1, 3 x 3, 1 x 1; else of two 3 x 3
  std::vector<int64_t> layers{3, 4, 6, 3};         // blocks of each stage: those of ResNet-50
  std::vector<int64_t> widths{64, 128, 256, 512};  // channels of a block's 3 x 3 convolutions
  int64_t stem = 0;                                // channels of the stem; 0: as many as the first width
  int64_t stem_kernel = 7, stem_stride = 2;        // padded by half the kernel, which is odd
  bool stem_pool = true;                           // the max pool behind it, which halves the map

  // Channels that a stage gives: four times its width with bottlenecks.
  int64_t channels(size_t stage) const { return widths[stage] * (bottleneck ? 4 : 1); }
  // The features of a picture.
  int64_t features() const { return channels(widths.size() - 1); }
  // Of the last map, for a picture of this size.
  Size2d map_size(Size2d picture) const;
};

struct ResidualBlock {
  std::vector<Conv2d> convolutions;  // conv1, conv2 and, of a bottleneck, conv3; without biases
  std::vector<BatchNorm2d> norms;    // bn1, …
  std::optional<Conv2d> shortcut;    // downsample.0, where sizes change
  std::optional<BatchNorm2d> shortcut_norm;

  // `dilation` is that of a bottleneck's 3 x 3 convolution.
  ResidualBlock(int64_t in, int64_t width, int64_t out, int64_t stride, bool bottleneck, int64_t dilation = 1);
  Variable operator()(const Variable& x, bool training) const;
  void set_norm_eps(double eps);
  void visit(const std::string& prefix, const ParameterVisitor& visitor);
};

struct ResNet {
  ResNetOptions options;
  Conv2d stem;  // conv1
  BatchNorm2d stem_norm;
  std::vector<std::vector<ResidualBlock>> stages;  // layer1, …

  ResNet() = default;
  explicit ResNet(const ResNetOptions& options);

  struct Output {
    Variable stem, pool;           // after the first ReLU; after the max pool, or the same without one
    std::vector<Variable> stages;  // [n, channels(stage), height, width]
    // The mean over the picture: [n, features].
    Variable features() const;
  };
  // x [n, 3, height, width], normalised. `training`: batch statistics, towards which the running ones move.
  Output operator()(const Variable& x, bool training) const;
  // Of every normalisation; 1e-5 without.
  void set_norm_eps(double eps);
  void visit(const std::string& prefix, const ParameterVisitor& visitor);
};

}  // namespace tessera
