#include "models/parts/region_model_files.h"

#include <memory>

#include "data/text/tokenizer_json.h"
#include "data/text/vocabulary.h"
#include "io/files.h"
#include "io/new_folder.h"
#include "io/printable.h"
#include "nn/state_differences.h"

namespace tessera {

namespace fs = std::filesystem;

void save_region_model(const fs::path& folder, const std::string& config_json, const ParameterSet& parameters,
                       const FileViews& views, const Wordpiece& vocabulary) {
  NamedTensors tensors;
  for (const auto& [name, view] : views(parameters.state())) tensors.emplace(name, view.to(Device{}).contiguous());
  save_safetensors((folder / "model.safetensors").string(), tensors, {{"format", "pt"}});
  write_file_atomically(folder / "config.json", config_json, Durability::power);
  write_vocabulary(folder / "vocab.txt", vocabulary.tokens());
  if (vocabulary.normalisation() != Normalisation{})
    write_file_atomically(folder / "tokenizer_config.json", tokenizer_config_json(vocabulary.normalisation(), 512),
                          Durability::power);
}

std::function<void()> open_region_model(const fs::path& folder, ParameterSet& parameters, const FileViews& views,
                                        const Wordpiece& vocabulary) {
  check(Wordpiece::from_file(folder / "vocab.txt").tokens() == vocabulary.tokens(), shown(folder),
        ": was trained with another vocabulary; use --fresh to start over or train.out=FOLDER for another place");
  const std::string path = (folder / "model.safetensors").string();
  const auto tensors = std::make_shared<const NamedTensors>(load_safetensors(path).tensors);
  const std::string differences = describe_differences(views(parameters.state()), *tensors);
  check(differences.empty(), path, ": the tensors are not those of the model", differences);
  return [=, &parameters] { load_region_model(parameters, views, *tensors, path); };
}

void write_region_model(const fs::path& folder, const std::string& config_json, const ParameterSet& parameters,
                        const FileViews& views, const fs::path& vocabulary, DType dtype, bool replace) {
  constexpr const char* kFiles[] = {"config.json", "model.safetensors", "vocab.txt"};
  NewFolder made(folder, kFiles, replace);
  NamedTensors tensors;
  for (const auto& [name, view] : views(parameters.state())) tensors.emplace(name, view.to(dtype).contiguous());
  save_safetensors((made.path() / "model.safetensors").string(), tensors, {{"format", "pt"}});
  write_file_atomically(made.path() / "config.json", config_json, Durability::power);
  if (!vocabulary.empty()) write_vocabulary(made.path() / "vocab.txt", Wordpiece::from_file(vocabulary).tokens());
  made.put_in_place();
}

void load_region_model(const ParameterSet& parameters, const FileViews& views, const NamedTensors& file,
                       const std::string& source) {
  NamedTensors to = views(parameters.state());
  const std::string differences = describe_differences(to, file);
  check(differences.empty(), source, ": the tensors are not those of the model; nothing was loaded", differences);
  for (auto& [name, view] : to) view.copy_(file.at(name).to(view.dtype()).to(view.device()));
}

NamedTensors without_position_ids(NamedTensors file) {
  std::erase_if(file, [](const auto& entry) { return entry.first.ends_with(".position_ids"); });
  return file;
}

void check_described_size(double needed, const NamedTensors& file, const std::string& source) {
  constexpr double kAlwaysAllowed = 1 << 22, kTimes = 4;
  double held = 0;
  for (const auto& item : file) held += static_cast<double>(item.second.numel());
  check(needed <= kAlwaysAllowed + kTimes * held, source, ": the configuration describes a model of about ", needed,
        " parameters, the weights are ", held, " numbers; they do not belong together");
}

double bert_parameters(int64_t rows, int64_t width, int64_t inner, int64_t layers) {
  const auto w = static_cast<double>(width);
  return static_cast<double>(rows) * w + static_cast<double>(layers) * w * (4 * w + 2 * static_cast<double>(inner));
}

}  // namespace tessera
