// A trained detector as a folder:
//
//   model.safetensors  torchvision's names
//   regions.json       the configuration (RegionsConfig), and the names of classes and attributes
#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include "models/regions/detector.h"
#include "models/regions/labels.h"

namespace tessera {

// Into a folder that exists.
void save_detector(const std::filesystem::path& folder, const RegionsConfig& config, const RegionLabels& labels,
                   const ParameterSet& parameters);
// For a task of the same configuration and labels; returns what loads them. Strict.
std::function<void()> open_detector(const std::filesystem::path& folder, const RegionsConfig& config,
                                    const RegionLabels& labels, ParameterSet& parameters);

// The configuration as JSON, and back: every field but those that labels tell must be there. `origin` begins messages.
std::string detector_json(const RegionsConfig& config, const RegionLabels& labels);
struct DetectorFile {
  RegionsConfig config;
  RegionLabels labels;
};
DetectorFile parse_detector_json(const std::string& json, const std::string& origin);

}  // namespace tessera
