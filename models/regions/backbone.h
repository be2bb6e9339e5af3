// Feature maps of a detector: the stages of a residual network, or a feature pyramid on them (Lin et al., "Feature
// Pyramid Networks for Object Detection", CVPR 2017): from the coarsest stage down, each stage by a 1 x 1 convolution
// plus the coarser level enlarged to its size; what is used of a level is a 3 x 3 convolution of it. A fifth level
// takes every second cell of the fourth.
//
// Batch normalisation uses the running statistics, in training too: detectors train on few pictures at once, from a
// body that was trained before. Its weights and biases are constants in torchvision's; here whether they train is a
// matter of the optimiser's groups. A body that is trained from nothing, on small pictures and so many of them, needs
// the batch's statistics instead.
#pragma once

#include "models/regions/config.h"

namespace tessera {

struct RegionBackbone {
  bool pyramid = true;
  ResNet body;                            // backbone.body, or backbone itself without a pyramid
  std::vector<Conv2d> laterals, outputs;  // backbone.fpn.inner_blocks.N.0, backbone.fpn.layer_blocks.N.0

  RegionBackbone() = default;
  explicit RegionBackbone(const RegionsConfig& config);
  int64_t channels() const;
  // pixels [n, 3, height, width] → of each level, the finest first, [n, channels, rows, columns]. batch_statistics:
  // the body normalises by them, and the running ones move towards them.
  std::vector<Variable> operator()(const Variable& pixels, bool batch_statistics = false) const;
  void visit(const std::string& prefix, const ParameterVisitor& visitor);
};

}  // namespace tessera
