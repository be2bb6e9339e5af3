// The residual network that some of CLIP's published models have in the place of a vision transformer: three small
// convolutions for a stem; strides as average pools before 1 x 1 convolutions, which no pixel escapes; at the end
// attention of the picture's mean to its pixels. Parameters have the published names without their "visual.".
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "nn/batch_norm.h"
#include "nn/conv2d.h"
#include "nn/linear.h"

namespace tessera {

struct ModifiedResNetOptions {
  std::vector<int64_t> layers{3, 4, 6, 3};  // blocks of each of the four stages
  int64_t width = 64;                       // of the stem, and of the first stage's 3 x 3 convolutions
  int64_t output_dim = 1024;
  int64_t heads = 32;        // of the attention at the end: published, width · 32 / 64
  int64_t image_size = 224;  // both sides, a multiple of 32

  int64_t channels() const { return width * 32; }  // of the last stage
};

struct ModifiedBottleneck {
  Conv2d conv1, conv2, conv3;
  BatchNorm2d bn1, bn2, bn3;
  int64_t stride = 1;  // of the average pools
  std::optional<Conv2d> shortcut;
  std::optional<BatchNorm2d> shortcut_norm;

  ModifiedBottleneck(int64_t in, int64_t width, int64_t pools_by);
  Variable operator()(const Variable& x, bool training) const;
  void visit(const std::string& prefix, const ParameterVisitor& visitor);
};

struct ModifiedResNet {
  ModifiedResNetOptions options;
  Conv2d conv1, conv2, conv3;
  BatchNorm2d bn1, bn2, bn3;
  std::vector<std::vector<ModifiedBottleneck>> stages;  // layer1, …
  Variable positions;                                   // attnpool.positional_embedding [1 + cells, channels]
  Linear query, key, value, output;                     // attnpool.{q,k,v,c}_proj

  explicit ModifiedResNet(const ModifiedResNetOptions& options);

  struct Output {
    Variable stem;
    std::vector<Variable> stages;
    Variable features;  // [n, output_dim], not normalised
  };
  // x [n, 3, image_size, image_size], normalised. `training`: batch statistics.
  Output operator()(const Variable& x, bool training) const;
  void visit(const std::string& prefix, const ParameterVisitor& visitor);

 private:
  Variable attention_pool(const Variable& x) const;
};

}  // namespace tessera
