// A model for use, from any of the places where weights are found.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "data/samples.h"
#include "data/wordpiece.h"
#include "vilt/heads.h"

namespace tessera {

struct LoadOptions {
  // Load what fits and report what does not; parameters that the file does not hold keep their initial values.
  bool partial = false;
  // For files that do not bring them: config.json, vocab.txt. Empty: beside the weights.
  std::filesystem::path config, vocabulary;
  // Is given one line for each thing that was accepted, ignored or assumed. Empty: nobody is told.
  std::function<void(const std::string&)> report;
};

struct LoadedModel {
  std::filesystem::path directory;  // where the files were found
  ModelConfig config;
  std::unique_ptr<ViltWithHeads> model;
  std::unique_ptr<ParameterSet> parameters;
  std::unique_ptr<Wordpiece> vocabulary;
  SampleOptions preprocessing;
};

// `path`: a run's directory (its newest checkpoint), a checkpoint, a Hugging Face directory, or a file of weights. Strict,
// unless partial: every missing, unexpected or misshaped tensor is listed at once, and nothing is loaded.
LoadedModel load_model(const std::filesystem::path& path, const LoadOptions& options = {});

}  // namespace tessera
