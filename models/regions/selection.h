// Regions for models of pictures and texts, as bottom-up-attention (Anderson et al., CVPR 2018) takes them from a
// detector's: not its detections but the regions themselves, each where its surest class puts it. UNITER, ViLBERT,
// LXMERT and VisualBERT read these.
#pragma once

#include "data/boxes/boxes.h"

namespace tessera {

struct SelectionRule {
  double confidence = 0.2;         // regions from here on
  int64_t least = 10, most = 100;  // but no fewer, where there are as many, and no more
  double nms = 0.3;
  BoxEnds ends = BoxEnds::at_corner;  // the published code's: behind_pixel
};

struct SelectedRegions {
  // Of every region: its largest probability among the classes in which it survives suppression; 0 if in none.
  std::vector<double> confidences;
  // The chosen ones: in their own order, or, where their number was cut or filled up, the surest first, of equal ones
  // the last first.
  std::vector<int64_t> rows;
  std::vector<int64_t> objects;  // of each chosen the likeliest class, counted from 0 without background
};

// boxes [n, 4], as they were proposed, and for each the probabilities of all classes, class 0 background. For every
// other class all boxes are suppressed by its probability. Probabilities that are not numbers count as none. Without
// boxes nothing is chosen.
using Probabilities = Eigen::Array<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
SelectedRegions select_regions(const Boxes& boxes, const Probabilities& probabilities, const SelectionRule& rule = {});

// How many of the chosen UNITER keeps once they are ordered by confidence: those above the rule's (not at it), no
// fewer than `least` and no more than `most`.
int64_t kept_by_confidence(const SelectedRegions& regions, const SelectionRule& rule);

// Where regions lie in a picture of `height` × `width`, as fractions of it. UNITER's seven numbers: x1, y1, x2, y2,
// width, height, area; ViLBERT's five: x1, y1, x2, y2, area, after a first row for the whole picture, 0 0 1 1 1.
using Places = Eigen::Array<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
Places places_of_seven(const Boxes& boxes, double height, double width);
Places places_of_five(const Boxes& boxes, double height, double width);

}  // namespace tessera
