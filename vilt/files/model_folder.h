// A trained model as a folder, in the layout that Hugging Face's ViltProcessor and models read:
//
//   model.safetensors         Hugging Face's names and shapes
//   config.json               the model's configuration
//   preprocessor_config.json  how images are prepared
//   vocab.txt
//   tokenizer_config.json     where texts are normalised otherwise than by default
#pragma once

#include <filesystem>
#include <functional>

#include "data/samples.h"
#include "nn/parameter.h"
#include "vilt/config.h"

namespace tessera {

// Writes the files into `folder`, which exists.
void save_model_folder(const std::filesystem::path& folder, const ModelConfig& config,
                       const SampleOptions& preprocessing, const Wordpiece& vocabulary, const ParameterSet& parameters);

// Reads the weights again, for a model of the same configuration. Throws if they do not fit; else returns what copies
// them into `parameters`, which must live until then.
std::function<void()> open_model_folder(const std::filesystem::path& folder, const ModelConfig& config,
                                        ParameterSet& parameters);

}  // namespace tessera
