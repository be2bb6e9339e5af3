// ViLBERT's weights in and out: the files in which they are published (`.bin`, `.pt`: a state dict, with a JSON
// configuration apart), and a folder with config.json, model.safetensors and vocab.txt, as trainings write it.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <variant>

#include "models/parts/region_model_files.h"
#include "models/vilbert/heads.h"

namespace tessera {

struct VilbertLoadOptions {
  std::filesystem::path config =
      {};  // JSON; empty: config.json beside the weights, or that of the published base model
  DType dtype = DType::f32;
  Device device = {};
  // Is given one line for each thing that was accepted, ignored or assumed. Empty: nobody is told.
  std::function<void(const std::string&)> report = {};
};

struct LoadedVilbert {
  std::string source, format;  // the file of weights, and what it is
  VilbertConfig config;
  // What the heads in the file are for.
  std::variant<std::unique_ptr<VilbertPretraining>, std::unique_ptr<VilbertVqa>, std::unique_ptr<VilbertRetrieval>>
      model;
  std::unique_ptr<ParameterSet> parameters;
  std::filesystem::path vocabulary;  // vocab.txt beside the weights; empty where there is none
};

// Whether the weights at `path` (as of read_weight_file) are ViLBERT's: by the names of their tensors.
bool is_vilbert(const std::filesystem::path& path);

// Strict: where a tensor is missing, unexpected or misshaped nothing is loaded. The decoder of masked words, which is
// the table of words over again, is passed over.
LoadedVilbert load_vilbert_files(const std::filesystem::path& path, const VilbertLoadOptions& options = {});

// As of save_region_model and open_region_model (models/parts/region_model_files.h).
void save_vilbert(const std::filesystem::path& folder, const VilbertConfig& config, const ParameterSet& parameters,
                  const Wordpiece& vocabulary);
std::function<void()> open_vilbert(const std::filesystem::path& folder, ParameterSet& parameters,
                                   const Wordpiece& vocabulary);

}  // namespace tessera
