#include "vilt/load_model.h"

#include "nn/safetensors.h"
#include "vilt/checkpoint.h"
#include "vilt/preprocessing.h"
#include "vilt/state_dict.h"

namespace tessera {

namespace fs = std::filesystem;

LoadedModel load_model(const fs::path& directory, const LoadOptions&) {
  LoadedModel out;
  out.directory = directory;
  check(fs::is_directory(directory), directory.string(), ": no such directory; expected a checkpoint or a run");
  if (!fs::exists(directory / "model.safetensors")) {
    const auto newest = newest_checkpoint(directory);
    check(newest.has_value(), directory.string(), ": neither a model (model.safetensors) nor a run with a checkpoint");
    out.directory = *newest;
  }
  out.config = ModelConfig::from_file(out.directory / "config.json");
  out.vocabulary = std::make_unique<Wordpiece>(Wordpiece::from_file(out.directory / "vocab.txt"));
  check(static_cast<int64_t>(out.vocabulary->size()) == out.config.vocab_size, out.directory.string(), ": vocab.txt has ",
        out.vocabulary->size(), " tokens, config.json says ", out.config.vocab_size);
  const auto preprocessing = find_preprocessing(out.directory, static_cast<int>(out.config.patch_size));
  check(preprocessing.has_value(), out.directory.string(), ": has no preprocessor_config.json");
  out.preprocessing = *preprocessing;
  out.preprocessing.max_length = out.config.max_position_embeddings;
  out.model = std::make_unique<ViltWithHeads>(out.config);
  out.parameters = std::make_unique<ParameterSet>(*out.model);
  const std::string weights = (out.directory / "model.safetensors").string();
  load_file_state(*out.parameters, out.config, load_safetensors(weights).tensors, weights);
  return out;
}

}  // namespace tessera
