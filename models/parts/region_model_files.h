// What the files of the models that read regions have in common: a folder with config.json, model.safetensors under the
// published names and vocab.txt.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "data/text/wordpiece.h"
#include "io/safetensors.h"
#include "nn/parameter.h"

namespace tessera {

// Views of parameters in memory under the names of files.
using FileViews = std::function<std::map<std::string, Tensor>(const std::map<std::string, Tensor>& state)>;

// Writes the files into `folder`, which exists.
void save_region_model(const std::filesystem::path& folder, const std::string& config_json,
                       const ParameterSet& parameters, const FileViews& views, const Wordpiece& vocabulary);
// Reads the weights again, for a model of the same configuration. Throws if they, or the vocabulary, do not fit; else
// returns what copies them into `parameters`, which must live until then.
std::function<void()> open_region_model(const std::filesystem::path& folder, ParameterSet& parameters,
                                        const FileViews& views, const Wordpiece& vocabulary);

// Writes such a folder anew, beside and renamed; with `replace` in the place of another one. Tensors in `dtype`, f32 or
// bf16. `vocabulary`: a vocab.txt to be copied; empty: none.
void write_region_model(const std::filesystem::path& folder, const std::string& config_json,
                        const ParameterSet& parameters, const FileViews& views, const std::filesystem::path& vocabulary,
                        DType dtype, bool replace);

// Copies a file's tensors, under the published names, into the parameters. Where a tensor is missing, unexpected or
// misshaped nothing is loaded and the error lists all.
void load_region_model(const ParameterSet& parameters, const FileViews& views, const NamedTensors& file,
                       const std::string& source);
// Without the buffer of positions that newer programs write beside BERT's tables.
NamedTensors without_position_ids(NamedTensors file);

// Before memory is taken for a model: its configuration is a file that nobody has checked. `needed`: about how many
// parameters it describes.
void check_described_size(double needed, const NamedTensors& file, const std::string& source);

// Parameters of BERT's embeddings and blocks, or of blocks alike.
double bert_parameters(int64_t rows, int64_t width, int64_t inner, int64_t layers);

}  // namespace tessera
