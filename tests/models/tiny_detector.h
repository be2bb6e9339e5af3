// A detector small enough for unit tests, and the scenes that it learns.
#pragma once

#include "models/regions/task.h"
#include "tests/tiny_scenes.h"

namespace tessera::tests {

// As small as one that still tells shapes apart.
inline RegionsConfig tiny_detector() {
  RegionsConfig config = scenes_detector();
  config.cnn.widths = {4, 4, 8, 8};
  config.cnn.stem = 8;
  config.channels = 8;
  config.representation = 16;
  config.bins = 3;
  config.training_proposals = {.before_nms = 50, .after_nms = 16};
  config.regions.count = 16;
  return config;
}

struct DetectorData {
  Dataset train = tiny_scenes().open("train"), test = tiny_scenes().open("test");
  SampleSource train_source{train, tiny_scenes().vocabulary(), TinyScenes::sample_options()};
  SampleSource test_source{test, tiny_scenes().vocabulary(), TinyScenes::sample_options()};
};

inline RegionsTaskOptions detector_options(int64_t batch = 8, int64_t accumulate = 1) {
  RegionsTaskOptions options;
  options.model = tiny_detector();
  options.batch_size = batch;
  options.accumulate = accumulate;
  return options;
}

}  // namespace tessera::tests
