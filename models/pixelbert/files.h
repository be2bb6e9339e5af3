// A Pixel-BERT as a folder:
//
//   model.safetensors   parameters and running statistics, under the names of models/pixelbert/model.h, but with query,
//                       key and value projections apart as Hugging Face's BERT has them
//   config.json         models/pixelbert/config.h
//   vocab.txt
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "data/text/wordpiece.h"
#include "models/pixelbert/model.h"

namespace tessera {

// Writes the files into `folder`, which exists.
void save_pixelbert_folder(const std::filesystem::path& folder, const PixelBertConfig& config,
                           const Wordpiece& vocabulary, const ParameterSet& parameters);

// Reads the weights again, for a model of the same configuration. Throws if they do not fit, naming what is missing,
// unexpected or of another shape; else returns what copies them into `parameters`, which must live until then.
std::function<void()> open_pixelbert_folder(const std::filesystem::path& folder, ParameterSet& parameters);

// Whether a folder's config.json says that it is one.
bool is_pixelbert(const std::filesystem::path& folder);

struct LoadedPixelBert {
  std::string source;  // the file of weights
  std::unique_ptr<PixelBert> model;
  std::unique_ptr<ParameterSet> parameters;
};
// A folder's model for use. Nothing in it is trusted.
LoadedPixelBert load_pixelbert(const std::filesystem::path& folder, DType dtype = DType::f32, Device device = {});

// The network's weights from a file of torchvision's ResNet (names conv1.weight, bn1.weight, layer1.0.conv1.weight, …),
// whose sizes have to be those of the model. The classifier (fc.*) and num_batches_tracked, which only other momenta
// need, are left out; anything else that is missing, unexpected or of another shape is an error that lists it, and
// nothing is loaded. Returns lines for people.
std::vector<std::string> load_backbone(const std::filesystem::path& path, ParameterSet& parameters);

}  // namespace tessera
