#include "models/pixelbert/files.h"

#include <nlohmann/json.hpp>

#include "data/text/vocabulary.h"
#include "io/files.h"
#include "io/printable.h"
#include "io/safetensors.h"
#include "io/weights/weight_file.h"
#include "models/parts/resnet_file.h"
#include "nn/state_differences.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kLargestConfig = uint64_t{1} << 20;
constexpr const char* kBackbone = "visual.backbone.";

bool is_pixelbert_name(std::string_view name) {
  return name.starts_with("visual.") || name.starts_with("bert.") || name.starts_with("cls.");
}

void check_same(const NamedTensors& expected, const NamedTensors& file, const std::string& source) {
  const std::string differences = describe_differences(expected, file);
  check(differences.empty(), source, ": the tensors are not those of the model; nothing was loaded", differences);
}

void copy_all(NamedTensors views, const NamedTensors& file) {
  for (auto& [name, view] : views) view.copy_(file.at(name));
}

// Before memory is taken for a model: its configuration is a file that nobody has checked.
void check_model_size(const PixelBertConfig& config, const WeightFile& file) {
  constexpr double kAlwaysAllowed = 1 << 22, kTimes = 4;
  double held = 0;
  for (const auto& item : file.tensors) held += static_cast<double>(item.second.numel());
  const double needed = config.parameters();
  check(needed <= kAlwaysAllowed + kTimes * held, file.source, ": the configuration describes a model of about ",
        needed, " parameters, the weights are ", held, " numbers; they do not belong together");
}

}  // namespace

void save_pixelbert_folder(const fs::path& folder, const PixelBertConfig& config, const Wordpiece& vocabulary,
                           const ParameterSet& parameters) {
  NamedTensors tensors;
  for (const auto& [name, view] : split_qkv(parameters.state())) tensors.emplace(name, view.contiguous());
  save_safetensors((folder / "model.safetensors").string(), tensors, {{"format", "pt"}});
  write_file_atomically(folder / "config.json", config.to_json(), Durability::power);
  write_vocabulary(folder / "vocab.txt", vocabulary.tokens());
}

std::function<void()> open_pixelbert_folder(const fs::path& folder, ParameterSet& parameters) {
  const std::string path = (folder / "model.safetensors").string();
  const auto tensors = std::make_shared<const NamedTensors>(load_safetensors(path).tensors);
  check_same(split_qkv(parameters.state()), *tensors, path);
  return [tensors, &parameters] { copy_all(split_qkv(parameters.state()), *tensors); };
}

bool is_pixelbert(const fs::path& folder) {
  const fs::path path = folder / "config.json";
  if (!fs::is_regular_file(path)) return false;
  const std::vector<uint8_t> bytes = read_file(path, kLargestConfig);
  const nlohmann::json root = nlohmann::json::parse(bytes.begin(), bytes.end(), nullptr, false);
  return root.is_object() && root.value("model_type", nlohmann::json()) == "pixelbert";
}

LoadedPixelBert load_pixelbert(const fs::path& folder, DType dtype, Device device) {
  const fs::path config_file = folder / "config.json";
  const std::vector<uint8_t> bytes = read_file(config_file, kLargestConfig);
  const PixelBertConfig config =
      PixelBertConfig::from_json(std::string(bytes.begin(), bytes.end()), shown(config_file));
  const WeightFile file = read_weight_file(folder, is_pixelbert_name);
  check_model_size(config, file);
  LoadedPixelBert out;
  out.source = file.source;
  out.model = std::make_unique<PixelBert>(config);
  out.parameters = std::make_unique<ParameterSet>(*out.model, dtype, "", device);
  NamedTensors views = split_qkv(out.parameters->state());
  check_same(views, file.tensors, file.source);
  copy_all(std::move(views), file.tensors);
  return out;
}

std::vector<std::string> load_backbone(const fs::path& path, ParameterSet& parameters) {
  const WeightFile file = read_resnet_file(path);
  NamedTensors views;
  for (const auto& [name, view] : parameters.state())
    if (name.starts_with(kBackbone)) views.emplace(name.substr(std::string_view(kBackbone).size()), view);
  check_same(views, file.tensors, file.source);
  copy_all(std::move(views), file.tensors);
  std::vector<std::string> notes = file.notes;
  notes.push_back(text("network from ", shown(path), ": ", file.tensors.size(), " tensors"));
  return notes;
}

}  // namespace tessera
