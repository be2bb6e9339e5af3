// UNITER's weights in and out: the files in which they are published (`.pt`: a state dict, with a JSON configuration
// apart), and a folder with config.json, model.safetensors and vocab.txt, as trainings write it.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include "models/parts/region_model_files.h"
#include "models/uniter/heads.h"

namespace tessera {

struct UniterLoadOptions {
  std::filesystem::path config = {};  // JSON; empty: config.json beside the weights, or what the tensors' shapes tell
  DType dtype = DType::f32;
  Device device = {};
  // Is given one line for each thing that was accepted, ignored or assumed. Empty: nobody is told.
  std::function<void(const std::string&)> report = {};
};

struct LoadedUniter {
  std::string source, format;              // the file of weights, and what it is
  std::unique_ptr<UniterWithHeads> model;  // with the heads that the file has
  std::unique_ptr<ParameterSet> parameters;
  std::filesystem::path vocabulary;  // vocab.txt beside the weights; empty where there is none
};

// Whether the weights at `path` (as of read_weight_file) are UNITER's: by the names of their tensors.
bool is_uniter(const std::filesystem::path& path);

// Strict: where a tensor is missing, unexpected or misshaped nothing is loaded.
LoadedUniter load_uniter_files(const std::filesystem::path& path, const UniterLoadOptions& options = {});

// The configuration that shapes tell. What they cannot tell is as published: heads of 64 channels, dropout 0.1.
UniterConfig uniter_config_of(const NamedTensors& tensors, const std::string& source);
// The heads whose tensors there are.
UniterHeads uniter_heads_of(const NamedTensors& tensors);

// As of save_region_model and open_region_model (models/parts/region_model_files.h).
void save_uniter(const std::filesystem::path& folder, const UniterConfig& config, const ParameterSet& parameters,
                 const Wordpiece& vocabulary);
std::function<void()> open_uniter(const std::filesystem::path& folder, ParameterSet& parameters,
                                  const Wordpiece& vocabulary);

}  // namespace tessera
