// A CLIP model for use, from any of the files in which its weights are published.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "data/images/centre_crop.h"
#include "data/pictures.h"
#include "models/clip/model.h"
#include "models/clip/names.h"
#include "models/clip/shape_config.h"
#include "nn/parameter.h"

namespace tessera {

struct ClipLoadOptions {
  std::filesystem::path config;  // config.json; empty: that beside the weights, or what the tensors' shapes tell
  // Byte pairs in any form of data/text/byte_pair_files.h; empty: those beside the weights, if there are any.
  std::filesystem::path vocabulary;
  DType dtype = DType::f32;
  Device device = {};
  // Is given one line for each thing that was accepted, ignored or assumed. Empty: nobody is told.
  std::function<void(const std::string&)> report;
};

struct LoadedClip {
  std::string source, format;  // the file of weights, and what it is
  std::unique_ptr<Clip> model;
  std::unique_ptr<ParameterSet> parameters;
  CropPreparation preparation;                   // how its pictures are prepared (models/clip/preparation.h), or ...
  std::optional<PictureOptions> whole_pictures;  // ... that they are not cropped, and what is done to them then
  std::filesystem::path vocabulary;              // the file of byte pairs; empty where there is none
};

// Whether the weights at `path` (as load_clip's) are CLIP's: by the names of their tensors.
bool is_clip(const std::filesystem::path& path);

// `path`: a Hugging Face directory, a run's directory (its newest checkpoint) or a file of weights, with Hugging Face's
// names or OpenAI's. Strict: where a tensor
// is missing, unexpected or misshaped nothing is loaded.
LoadedClip load_clip(const std::filesystem::path& path, const ClipLoadOptions& options = {});

// Copies a file's tensors, under Hugging Face's names, into the parameters. Strict.
void load_clip_state(ParameterSet& parameters, const ClipConfig& config, const NamedTensors& file,
                     const std::string& source);

}  // namespace tessera
