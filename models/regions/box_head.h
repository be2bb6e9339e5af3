// What a detector makes of regions (Girshick: "Fast R-CNN", 2015, as torchvision defines it): RoIAlign, a head that
// gives each region its features, and of them its class and, for every class, how the object's box differs from it.
#pragma once

#include <optional>

#include "models/regions/attributes.h"
#include "models/regions/proposals.h"

namespace tessera {

// Of all regions of a batch, a picture's after the other's.
struct RegionOutput {
  std::vector<int64_t> levels;  // that each is pooled from, 0 the finest
  Variable pooled;              // [regions, channels, bins, bins]
  Variable features;            // [regions, features]: what models of pictures and texts read
  Variable class_logits;        // [regions, classes]
  Variable box_deltas;          // [regions, 4 classes], of weights 10, 10, 5, 5
};

// What is found in one picture, best first.
struct Detections {
  Boxes boxes;
  std::vector<double> scores;
  std::vector<int64_t> labels;
  std::vector<int64_t> regions;  // which of the picture's regions each comes from
};

// Regions of one picture to train on.
struct RegionSample {
  Boxes boxes;
  std::vector<int64_t> labels;      // 0 is background
  Boxes targets;                    // differences of the true box, 0 for background
  std::vector<int64_t> attributes;  // -1: not known, or background
};

struct BoxHead {
  ops::RoiAlignOptions bins;
  PyramidLevels fit;  // canonical size and level
  int64_t classes = 0;
  std::optional<Linear> first, second;  // box_head.fc6, box_head.fc7: with a pyramid
  std::vector<ResidualBlock> stage;     // box_head.layer4: without, and then the mean over the bins
  Linear scores, deltas;                // box_predictor.cls_score, box_predictor.bbox_pred
  std::optional<AttributeHead> attributes;
  DetectionRule rule;

  BoxHead() = default;
  BoxHead(const RegionsConfig& config, int64_t channels);
  // levels: feature maps; of a pyramid's the last is not pooled from. Regions in the pixels of a canvas of this height,
  // of each picture; there must be at least one.
  RegionOutput operator()(const std::vector<Variable>& levels, int64_t canvas_height,
                          const std::vector<Boxes>& regions) const;
  // Every class but background of every region, by its own differences, clipped to the picture's size; scores that are
  // not above the rule's, not numbers among them, and small boxes are left out, the rest suppressed class by class.
  std::vector<Detections> detections(const RegionOutput& output, const std::vector<Boxes>& regions,
                                     const std::vector<Size2d>& sizes) const;
  void visit(const std::string& prefix, const ParameterVisitor& visitor);
};

// What regions are sampled from in training: the proposals, then the true boxes themselves.
Boxes region_candidates(const Boxes& proposals, const TrueBoxes& truth);
// For each the index of a true box, kBackground or kBetween.
std::vector<int64_t> region_matches(const Boxes& candidates, const TrueBoxes& truth, const BoxSampling& sampling);
// The given rows; none of them may be kBetween.
RegionSample region_sample(const Boxes& candidates, const std::vector<int64_t>& matches, const TrueBoxes& truth,
                           const std::vector<int64_t>& rows);
// Cross-entropy of the attributes, the mean over the sampled regions whose attribute is known; 0 where there are none.
Variable attribute_loss(const AttributeHead& head, const RegionOutput& output,
                        const std::vector<RegionSample>& samples);
// Of every region the probability of each class, background first; with attributes of each pair of class and attribute,
// 1 + (class - 1) · attributes + attribute: the class's times the attribute's, both given the likeliest class.
// [regions, classes], a row of it after the other.
std::vector<double> region_probabilities(const BoxHead& head, const RegionOutput& output);

// Over all sampled regions: the mean cross-entropy of the classes, and of those that hold an object the smooth L1
// differences (beta 1/9) of their class's box, their sum divided by the number of all.
RegionLosses region_losses(const RegionOutput& output, const std::vector<RegionSample>& samples);

}  // namespace tessera
