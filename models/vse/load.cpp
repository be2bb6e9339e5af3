#include "models/vse/load.h"

#include <nlohmann/json.hpp>

#include "autograd/tape.h"
#include "io/files.h"
#include "io/printable.h"
#include "io/safetensors.h"
#include "io/strict_json.h"
#include "models/parts/whole_pictures.h"
#include "models/vse/pictures.h"
#include "train/checkpoint.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

fs::path vse_place(const fs::path& path) {
  return fs::is_directory(path) && !fs::exists(path / "config.json") ? newest_checkpoint(path).value_or(path) : path;
}

std::string config_text(const fs::path& folder) {
  constexpr uint64_t kLargestFile = uint64_t{16} << 20;
  const std::vector<uint8_t> bytes = read_file(folder / "config.json", kLargestFile);
  return {bytes.begin(), bytes.end()};
}

}  // namespace

bool is_vse(const fs::path& path) {
  const fs::path place = vse_place(path);
  if (!fs::is_regular_file(place / "config.json")) return false;
  const nlohmann::json root = parse_strict_json(config_text(place), shown(place / "config.json"));
  return root.is_object() && root.contains("model_type") && root["model_type"] == "vse";
}

LoadedVse load_vse(const fs::path& path) {
  LoadedVse out;
  out.directory = vse_place(path);
  const std::string config_name = shown(out.directory / "config.json");
  const VseConfig config = VseConfig::from_json(config_text(out.directory), config_name);
  out.words = std::make_unique<VseWords>(VseWords::from_file(out.directory / "words.txt"));
  check(out.words->size() == config.vocab, shown(out.directory / "words.txt"), ": has ", out.words->size(),
        " words, the model ", config.vocab);
  const fs::path weights = out.directory / "model.safetensors";
  const NamedTensors tensors = load_safetensors(weights.string()).tensors;
  // A configuration that nobody has checked must not take more memory than the weights are worth.
  double held = 0;
  for (const auto& item : tensors) held += static_cast<double>(item.second.numel());
  const auto embed = static_cast<double>(config.embed), words = static_cast<double>(config.word_dim);
  double network = 0;
  if (config.cnn)
    for (size_t i = 0; i < config.cnn->widths.size() && i < config.cnn->layers.size(); ++i)
      network += 9.0 * static_cast<double>(config.cnn->layers[i]) *
                 static_cast<double>(config.cnn->widths[i] * config.cnn->widths[i]);
  const double needed = network +
                        embed * (static_cast<double>(config.features + 3 * config.layers * config.embed) + 3 * words) +
                        static_cast<double>(config.vocab) * words;
  check(needed <= held + (1 << 20), config_name, ": describes a model of more than ", needed,
        " parameters, the weights are ", held, " numbers; they do not belong together");
  out.model = std::make_unique<Vse>(config);
  out.parameters = std::make_unique<ParameterSet>(*out.model);
  out.parameters->load_state(tensors, shown(weights));
  const auto pictures = find_whole_pictures(out.directory, 1);
  check(pictures.has_value(), shown(out.directory),
        ": there is no preprocessor_config.json that says how pictures are prepared");
  out.pictures = *pictures;
  return out;
}

Tensor LoadedVse::texts(const std::vector<std::string>& texts) const {
  const NoGrad no_grad;
  std::vector<std::vector<int64_t>> ids;
  for (const std::string& each : texts) ids.push_back(words->encode(each));
  return model->text_embeddings(VseTexts::of(ids)).embeddings.value();
}

Tensor LoadedVse::images(const std::vector<fs::path>& files) const {
  const NoGrad no_grad;
  check(model->cnn.has_value(), shown(directory), ": the model takes features of pictures, not pictures");
  const auto side = static_cast<int>(model->config.image_size);
  const size_t values = 3 * static_cast<size_t>(side) * static_cast<size_t>(side);
  std::vector<float> planes(values * files.size());
  for (size_t i = 0; i < files.size(); ++i) {
    const std::string name = shown(files[i]);
    Image decoded = decode_image(read_file(files[i]), name, {.respect_orientation = pictures.respect_orientation});
    const Image image = prepare_image(std::move(decoded), pictures, name).image;
    centred_planes(image, side, pictures.norm, std::span(planes).subspan(values * i, values));
  }
  return model
      ->image_embeddings_of_pixels(Variable(Tensor::from(planes, {static_cast<int64_t>(files.size()), 3, side, side})),
                                   false)
      .value();
}

}  // namespace tessera
