#include "vilt/files/model_folder.h"

#include "data/text/tokenizer_json.h"
#include "data/text/vocabulary.h"
#include "io/files.h"
#include "io/safetensors.h"
#include "vilt/files/preprocessing.h"
#include "vilt/files/state_dict.h"

namespace tessera {

namespace fs = std::filesystem;

void save_model_folder(const fs::path& folder, const ModelConfig& config, const SampleOptions& preprocessing,
                       const Wordpiece& vocabulary, const ParameterSet& parameters) {
  StateDict tensors;
  for (const auto& [name, view] : file_views(parameters.state(), config)) tensors.emplace(name, view.contiguous());
  save_safetensors((folder / "model.safetensors").string(), tensors, {{"format", "pt"}});
  write_file_atomically(folder / "config.json", config.to_json(), Durability::power);
  write_file_atomically(folder / "preprocessor_config.json", preprocessing_json(preprocessing), Durability::power);
  write_vocabulary(folder / "vocab.txt", vocabulary.tokens());
  if (vocabulary.normalisation() != Normalisation{})
    write_file_atomically(folder / "tokenizer_config.json",
                          tokenizer_config_json(vocabulary.normalisation(), config.max_position_embeddings),
                          Durability::power);
}

std::function<void()> open_model_folder(const fs::path& folder, const ModelConfig& config, ParameterSet& parameters) {
  const std::string path = (folder / "model.safetensors").string();
  const auto tensors = std::make_shared<const StateDict>(load_safetensors(path).tensors);
  check_file_state(parameters, config, *tensors, path);
  return [=, &parameters] { load_file_state(parameters, config, *tensors, path); };
}

}  // namespace tessera
