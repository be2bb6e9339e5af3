// What a trained detector is used for: the objects of pictures, and the regions that models of pictures and texts read.
#pragma once

#include <functional>

#include "data/images/image.h"
#include "data/progress.h"
#include "data/regions/region_file.h"
#include "data/regions/region_writer.h"
#include "models/regions/evaluation.h"
#include "models/regions/selection.h"

namespace tessera {

// Of each picture the objects, best first; labels are those of pairs.
std::vector<Detections> detect_objects(const FasterRcnn& model, const std::vector<Image>& pictures);

// Of each picture its regions by bottom-up-attention's rule (models/regions/selection.h): boxes as they were proposed,
// distributions over RegionLabels::pairs(). A picture without proposals has none. Pictures of one size go through the
// model together, and no others, since the padding of a batch would make one depend on another.
std::vector<Regions> extract_regions(const FasterRcnn& model, const std::vector<Image>& pictures,
                                     const SelectionRule& rule);

// A detector of 800-pixel pictures has hundreds of proposals of which 10 to 100 regions are kept; that of the scenes,
// where one or two objects are, has 16, of which 4 to 8 are.
SelectionRule selection_rule(const RegionsConfig& config);

// A picture to extract: how it is called in the file of regions, and how it is read.
struct ExtractionPictures {
  std::vector<std::string> names;
  std::function<Image(int64_t picture)> read;
};
// Into `writer`, which is not finished. A picture that cannot be read is told to `left_out` and is not in the file;
// without `left_out` it is an error. How many were written.
int64_t extract_regions(const FasterRcnn& model, const ExtractionPictures& pictures, const SelectionRule& rule,
                        RegionWriter& writer, int64_t batch, const ProgressCallback& progress,
                        const std::function<void(const std::string&)>& left_out = {});

}  // namespace tessera
