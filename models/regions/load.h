// A detector for use: one that was trained here, or torchvision's.
#pragma once

#include <filesystem>
#include <memory>

#include "io/safetensors.h"
#include "models/regions/folder.h"

namespace tessera {

struct DetectorLoadOptions {
  Device device = {};
  std::filesystem::path classes;  // names, one a line, background first; empty: the detector's own, or COCO's
  // Is given a line for each thing that was accepted or assumed. Empty: nobody is told.
  std::function<void(const std::string&)> report = {};
};

struct LoadedDetector {
  std::string source;  // the file of weights
  RegionLabels labels;
  std::unique_ptr<FasterRcnn> model;
  std::unique_ptr<ParameterSet> parameters;
};

// `path`: a run (its newest checkpoint), a folder of models/regions/folder.h, or a file of weights of torchvision's
// fasterrcnn_resnet… with a feature pyramid (.pth or .safetensors). Strict: where a tensor is missing, unexpected or
// misshaped nothing is loaded.
LoadedDetector load_detector(const std::filesystem::path& path, const DetectorLoadOptions& options = {});

// Tensors under torchvision's present names: its first published files have "rpn.head.conv.weight" for
// "rpn.head.conv.0.0.weight", and "fpn.inner_blocks.0.weight" for "fpn.inner_blocks.0.0.weight". Counters of batches
// (num_batches_tracked) are left out. `first`: whether there were such names. Two tensors of one name are an error.
NamedTensors torchvision_names(const NamedTensors& file, const std::string& source, bool* first = nullptr);

// The configuration that shapes tell, of tensors under these names; what they cannot tell is as torchvision's builder
// has it. The first published files belong to norms without eps (torchvision sets it to 0 for them).
RegionsConfig torchvision_config(const NamedTensors& tensors, bool first, const std::string& source);

}  // namespace tessera
