// A model for use, from any of the places where weights are found.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "data/samples.h"
#include "data/text/wordpiece.h"
#include "vilt/files/weights.h"
#include "vilt/heads.h"

namespace tessera {

// How much of a file of weights has to be the model's. Of what is loaded less than whole, a head that the file does not
// hold whole is taken away, and everything that does not fit is reported.
enum class Strictness : uint8_t {
  whole,  // every tensor, and no other
  body,   // the backbone's; of heads nothing
  none,   // what fits is loaded, the rest keeps its initial values; that nothing fits is an error
};

struct LoadOptions {
  Strictness strictness = Strictness::whole;
  // For weights that do not bring them: config.json, vocab.txt or tokenizer.json, the classifier's labels
  // (read_labels). Empty: beside the weights.
  std::filesystem::path config, vocabulary, labels;
  int64_t attention_heads = 0;   // where neither config.json nor the weights say it; 0: not given
  Device device = {};            // where the parameters will lie
  bool needs_vocabulary = true;  // without: a model whose vocabulary is not there is loaded, too
  // Is given one line for each thing that was accepted, ignored or assumed. Empty: nobody is told.
  std::function<void(const std::string&)> report;
};

struct LoadedModel {
  std::filesystem::path directory;  // where the files were found
  std::string source, format;       // the file of weights, and what it is
  ModelConfig config;
  std::unique_ptr<ViltWithHeads> model;
  std::unique_ptr<ParameterSet> parameters;
  std::unique_ptr<Wordpiece> vocabulary;  // null if it is not there and not needed
  SampleOptions preprocessing;
  ForwardContext context;  // how its answers are computed
};

// `path`: a run's directory (its newest checkpoint), a checkpoint, a Hugging Face directory, or a file of weights.
// Where a tensor that has to fit is missing, unexpected or misshaped nothing is loaded.
LoadedModel load_model(const std::filesystem::path& path, const LoadOptions& options = {});
// The same from weights that were read from `place` = find_weights(path).
LoadedModel load_model(Weights weights, const std::filesystem::path& place, const LoadOptions& options);

// Where the weights are: `path` itself, or the newest checkpoint of a run.
std::filesystem::path find_weights(const std::filesystem::path& path);

// Labels by class: a JSON array of strings, a JSON object {"0": label, …} or one that has such a table as "id2label"
// (config.json), or a text file with one label a line.
std::vector<std::string> read_labels(const std::filesystem::path& path);

}  // namespace tessera
