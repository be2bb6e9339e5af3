// The region proposal network (Ren, He, Girshick, Sun: "Faster R-CNN", 2015, as torchvision defines it): at each place
// of each level a few anchors, for each of them how likely it holds an object and how the object's box differs from it.
//
// Proposals are constants: they are made on the host, in f64, and no gradient goes through their boxes. The network
// learns from its own loss.
#pragma once

#include "data/boxes/box_coder.h"
#include "data/boxes/matching.h"
#include "models/regions/pictures.h"

namespace tessera {

// What is to be found in one picture, in the pixels of the resized one.
struct TrueBoxes {
  Boxes boxes;                  // sides above 0
  std::vector<int64_t> labels;  // classes from 1
  // Of each box, -1 where it is not known; empty: of none.
  std::vector<int64_t> attributes = {};
};

// What the network says of every anchor of n pictures.
struct ObjectnessMaps {
  std::vector<Variable> logits, deltas;  // of each level [n, A, rows, columns], [n, 4 A, rows, columns]
  std::vector<int64_t> counts;           // anchors of each level
  Boxes anchors;                         // of all levels, place by place; the same for every picture of the batch
  Variable flat_logits, flat_deltas;     // in that order, picture by picture: [n · anchors, 1], [n · anchors, 4]
};

struct RegionLosses {
  Variable scores, boxes;
};

struct ProposalNetwork {
  std::vector<Boxes> cells;  // anchors around the origin, of each level
  Conv2d hidden;             // rpn.head.conv.0.0
  Conv2d logits, deltas;     // rpn.head.cls_logits, rpn.head.bbox_pred
  ProposalRule rule, training_rule;

  ProposalNetwork() = default;
  ProposalNetwork(const RegionsConfig& config, int64_t channels);
  // `canvas`: the size of the batch's pixels. Anchors lie canvas / grid pixels apart, in whole pixels.
  ObjectnessMaps operator()(const std::vector<Variable>& levels, Size2d canvas) const;
  // Of each picture the proposals, best first: the best of each level by score, decoded, clipped to the picture's own
  // size, those that are large enough and likely enough, suppressed level by level. A score that is not a number, and a
  // box that is none, is no proposal.
  std::vector<Boxes> proposals(const ObjectnessMaps& maps, const std::vector<Size2d>& sizes, bool training) const;
  void visit(const std::string& prefix, const ParameterVisitor& visitor);
};

// For each anchor the index of a true box, kBackground or kBetween.
std::vector<int64_t> anchor_matches(const Boxes& anchors, const TrueBoxes& truth, const BoxSampling& sampling);

// Over the sampled anchors of all pictures: the mean binary cross-entropy of the scores, and the smooth L1 differences
// (beta 1/9) of the positive ones' boxes, their sum divided by the number of all. One sample and one list of matches
// for each picture.
RegionLosses proposal_losses(const ObjectnessMaps& maps, const std::vector<TrueBoxes>& truths,
                             const std::vector<std::vector<int64_t>>& matches, const std::vector<BoxSample>& samples);

// The given rows.
Boxes picked(const Boxes& boxes, const std::vector<int64_t>& rows);

}  // namespace tessera
