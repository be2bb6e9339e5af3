// Faster R-CNN (Ren, He, Girshick, Sun: "Faster R-CNN: Towards Real-Time Object Detection with Region Proposal
// Networks", NeurIPS 2015) by torchvision's definitions: what gives the region models their boxes and features.
// Parameters have torchvision's names.
#pragma once

#include "models/regions/backbone.h"
#include "models/regions/box_head.h"

namespace tessera {

struct FasterRcnn {
  RegionsConfig config;
  RegionBackbone backbone;
  ProposalNetwork rpn;
  BoxHead heads;  // roi_heads

  explicit FasterRcnn(const RegionsConfig& config);

  struct Result {
    std::vector<Boxes> proposals;        // of each picture, in the resized one
    RegionOutput regions;                // of all of them; undefined where there are none
    std::vector<Detections> detections;  // of each picture, boxes in the original one
  };
  Result detect(const PictureBatch& batch) const;

  struct Losses {
    RegionLosses proposals, regions;
    Variable attributes;  // undefined without
    // Their sum; the attributes' counts half, as published.
    Variable total() const;
  };
  // True boxes in the original pictures; a picture may have none. What is trained on is chosen by `random`.
  // batch_statistics: of the backbone's normalisation (models/regions/backbone.h).
  Losses losses(const PictureBatch& batch, const std::vector<TrueBoxes>& truths, Random& random,
                bool batch_statistics = false) const;

  void visit(const std::string& prefix, const ParameterVisitor& visitor);
};

// The true boxes of each picture of the batch, in its resized picture. A box without area, a label beyond the classes
// and counts that differ are errors that name the picture.
std::vector<TrueBoxes> resized_truths(const PictureBatch& batch, const std::vector<TrueBoxes>& truths, int64_t classes);

}  // namespace tessera
