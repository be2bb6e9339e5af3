#include "models/clip/load.h"

#include <algorithm>

#include "io/printable.h"
#include "io/weights/weight_file.h"
#include "models/clip/preparation.h"
#include "models/parts/whole_pictures.h"
#include "nn/state_differences.h"
#include "train/checkpoint.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

// The newest checkpoint of a run.
fs::path weights_place(const fs::path& path) {
  return fs::is_directory(path) && !holds_weights(path) ? newest_checkpoint(path).value_or(path) : path;
}

// Empty where there is none.
fs::path find_vocabulary(const fs::path& directory) {
  for (const char* name : {"tokenizer.json", "vocab.json", "bpe_simple_vocab_16e6.txt.gz"})
    if (fs::exists(directory / name)) return directory / name;
  return {};
}

}  // namespace

bool is_clip(const fs::path& given) {
  const fs::path path = weights_place(given);
  if (!holds_weights(path)) return false;
  const WeightFile file = read_weight_file(path, is_clip_name);
  return std::any_of(file.tensors.begin(), file.tensors.end(), [](const auto& entry) {
    return entry.first == "visual.conv1.weight" || entry.first == "visual.layer1.0.conv1.weight" ||
           entry.first == "vision_model.embeddings.patch_embedding.weight";
  });
}

void load_clip_state(ParameterSet& parameters, const ClipConfig& config, const NamedTensors& file,
                     const std::string& source) {
  NamedTensors views = clip_file_views(parameters.state(), config);
  const std::string differences = describe_differences(views, file);
  check(differences.empty(), source, ": the tensors are not those of the model; nothing was loaded", differences);
  for (auto& [name, view] : views) view.copy_(file.at(name));
}

LoadedClip load_clip(const fs::path& given_path, const ClipLoadOptions& options) {
  const fs::path path = weights_place(given_path);
  const auto report = [&](const std::string& line) {
    if (options.report) options.report(line);
  };
  WeightFile file = read_weight_file(path, is_clip_name);
  for (const std::string& note : file.notes) report(note);
  const ClipState state = clip_names(file.tensors, file.source);
  for (const std::string& note : state.notes) report(note);

  fs::path config_file = options.config;
  for (const fs::path& given : {options.config, options.vocabulary})
    check(given.empty() || fs::exists(given), shown(given), ": no such file");
  const fs::path directory = fs::is_directory(path) ? path : path.parent_path();
  const fs::path beside = directory / "config.json";
  if (config_file.empty() && fs::exists(beside)) config_file = beside;
  ClipConfig config;
  // A config.json knows no residual network.
  if (config_file.empty() || has_resnet(state.tensors)) {
    config = clip_config_of(state.tensors, file.source);
    report(
        "assumed: no config.json; sizes from the tensors, heads of 64 channels, QuickGELU, as OpenAI's models have "
        "them (open_clip's own may have GELU, which the weights do not tell)");
  } else {
    config = ClipConfig::from_file(config_file);
  }
  check_clip_size(config, state.tensors, file.source);
  LoadedClip out;
  out.source = file.source;
  out.format = file.format;
  out.model = std::make_unique<Clip>(config);
  out.parameters = std::make_unique<ParameterSet>(*out.model, options.dtype, "", options.device);
  load_clip_state(*out.parameters, config, state.tensors, file.source);
  if (!config.resnet) out.whole_pictures = find_whole_pictures(directory, static_cast<int>(config.patch_size));
  if (!out.whole_pictures) out.preparation = find_clip_preparation(directory, static_cast<int>(config.image_size));
  out.vocabulary = options.vocabulary.empty() ? find_vocabulary(directory) : options.vocabulary;
  return out;
}

}  // namespace tessera
