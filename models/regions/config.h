// Settings of the detector: torchvision's Faster R-CNN, by its names for what has one, with its values for ResNet-50.
#pragma once

#include <array>
#include <vector>

#include "models/parts/resnet.h"

namespace tessera {

// Of the boxes that the region proposal network predicts, those that become proposals.
struct ProposalRule {
  int64_t before_nms = 1000, after_nms = 1000;  // best of each level; best of a picture
  double nms = 0.7, score = 0, shortest = 1e-3;
};

// Which true box a box stands for, and how many of a picture's are trained on, at most `fraction` of them positive.
struct BoxSampling {
  double high = 0.7, low = 0.3;
  int64_t count = 256;
  double fraction = 0.5;
};

struct DetectionRule {
  double score = 0.05, nms = 0.5, shortest = 1e-2;  // scores above, sides from
  int64_t count = 100;                              // of a picture
};

struct RegionsConfig {
  // A feature pyramid: all stages, regions from the level that fits their size, two hidden layers. Without (C4): the
  // first three stages, and the fourth runs on each region.
  bool pyramid = true;
  ResNetOptions cnn;              // four stages of bottlenecks
  double norm_eps = 1e-5;         // of every batch normalisation; torchvision's first weights want 0
  int64_t channels = 256;         // of the pyramid's levels
  int64_t representation = 1024;  // of the hidden layers
  // C4: the fourth stage keeps the size of its input, its later blocks dilated by 2.
  bool dilated = false;
  int64_t classes = 91;  // class 0 is background
  // Of a region's object, such as its colour, as bottom-up-attention predicts them; 0: none. torchvision has none.
  int64_t attributes = 0;

  std::vector<std::vector<double>> anchor_sizes{{32}, {64}, {128}, {256}, {512}};  // of each level
  std::vector<double> aspect_ratios{0.5, 1, 2};
  Size2d bins = 7;       // of RoIAlign
  int64_t sampling = 2;  // its points of a bin along each axis
  double canonical_size = 224;
  int64_t canonical_level = 4;

  double min_size = 800, max_size = 1333;  // of a picture's sides
  std::array<double, 3> mean{0.485, 0.456, 0.406}, deviation{0.229, 0.224, 0.225};

  ProposalRule proposals, training_proposals{2000, 2000};
  BoxSampling anchors, regions{0.5, 0.5, 512, 0.25};
  DetectionRule detections;

  int64_t levels() const { return pyramid ? 5 : 1; }
  int64_t features() const { return pyramid ? representation : cnn.features(); }
};

}  // namespace tessera
