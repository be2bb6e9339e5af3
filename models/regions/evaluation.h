// How well a detector finds what is annotated.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "data/boxes/average_precision.h"
#include "data/samples.h"
#include "data/usable_pictures.h"
#include "models/regions/detector.h"
#include "models/regions/labels.h"

namespace tessera {

// One batch of pictures and what is found in them; labels are those of pairs (models/regions/labels.h), and scores the
// product of the class's and its surest attribute's probability.
std::vector<Detections> detect_pairs(const FasterRcnn& model, const FasterRcnn::Result& result);

// Average precision at an overlap of 0.5 (data/boxes/average_precision.h).
struct RegionEvaluation {
  int64_t pictures = 0, boxes = 0;
  std::optional<double> pairs;             // the mean over pairs of class and attribute; without attributes over
                                           // the classes
  std::optional<double> classes;           // over classes alone, whatever the attribute
  std::map<std::string, double> by_class;  // of each class the mean over its pairs, of each attribute likewise
  std::map<std::string, double> by_attribute;
  std::string json() const;   // one object
  std::string words() const;  // one line
};

struct RegionEvaluationOptions {
  int64_t limit = 0;                 // the first so many pictures of the data set; 0: all
  UsablePictures* usable = nullptr;  // of them; null: one that cannot be decoded is an error
  int64_t batch = 16;                // pictures at once
  std::function<void(size_t done, size_t of)> tell = {};
};
RegionEvaluation evaluate_regions(const FasterRcnn& model, const RegionLabels& labels, const RegionKeys& keys,
                                  const SampleSource& source, const RegionEvaluationOptions& options = {});

}  // namespace tessera
