#include "models/vilbert/files.h"

#include <nlohmann/json.hpp>

#include "io/files.h"
#include "io/printable.h"
#include "io/strict_json.h"
#include "io/weights/weight_file.h"
#include "models/parts/told_sizes.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

constexpr const char* kCoAttention = "bert.encoder.c_layer.0.biattention.query1.weight";
constexpr const char* kRegionLayer = "bert.v_embeddings.image_embeddings.weight";

bool is_vilbert_name(std::string_view name) {
  for (const char* beginning : {"bert.", "cls.", "vil_prediction.", "vil_logit."})
    if (name.starts_with(beginning)) return true;
  return false;
}

bool is_vilbert_state(const NamedTensors& tensors) {
  return tensors.contains(kRegionLayer) && tensors.contains(kCoAttention);
}

// What the tensors tell about sizes that a configuration does not give, and the published one does not.
VilbertConfig vilbert_config_from(const fs::path& file, const NamedTensors& tensors, const std::string& source) {
  constexpr uint64_t kLargestFile = uint64_t{16} << 20;
  const std::vector<uint8_t> bytes = read_file(file, kLargestFile);
  const std::string contents(bytes.begin(), bytes.end());
  VilbertConfig config = VilbertConfig::from_json(contents, shown(file));
  const nlohmann::json root = parse_strict_json(contents, shown(file));
  const char* answers = "vil_prediction.main.3.bias";
  if (!ConfigFields(root, shown(file)).given("num_answers") && tensors.contains(answers))
    config.num_answers = told_size(tensors, source, answers, 1, 0);
  config.validate();
  return config;
}

double described_parameters(const VilbertConfig& c) {
  const BertConfig& t = c.text;
  const auto vision = static_cast<double>(c.v_hidden_size), text = static_cast<double>(t.hidden_size),
             both = static_cast<double>(c.bi_hidden_size);
  const double co_attention = 4 * both * (vision + text) + 2 * vision * static_cast<double>(c.v_intermediate_size) +
                              2 * text * static_cast<double>(t.intermediate_size);
  return bert_parameters(t.vocab_size + t.max_position_embeddings + t.type_vocab_size, t.hidden_size,
                         t.intermediate_size, t.num_hidden_layers) +
         bert_parameters(c.v_feature_size + c.v_target_size, c.v_hidden_size, c.v_intermediate_size,
                         c.v_num_hidden_layers) +
         static_cast<double>(c.v_biattention_id.size()) * co_attention;
}

template <class Model>
void fill(LoadedVilbert& out, const NamedTensors& tensors, const VilbertLoadOptions& options) {
  auto model = std::make_unique<Model>(out.config);
  out.parameters = std::make_unique<ParameterSet>(*model, options.dtype, "", options.device);
  load_region_model(*out.parameters, vilbert_file_views, tensors, out.source);
  out.model = std::move(model);
}

}  // namespace

bool is_vilbert(const fs::path& path) {
  return holds_weights(path) && is_vilbert_state(read_weight_file(path, is_vilbert_name).tensors);
}

LoadedVilbert load_vilbert_files(const fs::path& path, const VilbertLoadOptions& options) {
  const auto report = [&](const std::string& line) {
    if (options.report) options.report(line);
  };
  WeightFile file = read_weight_file(path, is_vilbert_name);
  for (const std::string& note : file.notes) report(note);
  check(is_vilbert_state(file.tensors), file.source, ": is no ViLBERT: there is no ", kRegionLayer, " or no ",
        kCoAttention);
  const fs::path directory = fs::is_directory(path) ? path : path.parent_path();
  check(options.config.empty() || fs::exists(options.config), shown(options.config), ": no such file");
  fs::path config_file = options.config;
  if (config_file.empty() && fs::exists(directory / "config.json")) config_file = directory / "config.json";
  LoadedVilbert out;
  out.source = file.source;
  out.format = file.format;
  if (config_file.empty())
    report("assumed: no config.json; the sizes of the published base model with six connections");
  else
    out.config = vilbert_config_from(config_file, file.tensors, file.source);
  check_described_size(described_parameters(out.config), file.tensors, file.source);
  NamedTensors tensors = without_position_ids(std::move(file.tensors));
  if (tensors.contains("vil_logit.weight")) {
    fill<VilbertRetrieval>(out, tensors, options);
  } else if (tensors.contains("vil_prediction.main.0.weight_v")) {
    fill<VilbertVqa>(out, tensors, options);
  } else {
    tensors.erase("cls.predictions.decoder.weight");
    fill<VilbertPretraining>(out, tensors, options);
  }
  if (fs::exists(directory / "vocab.txt")) out.vocabulary = directory / "vocab.txt";
  return out;
}

void save_vilbert(const fs::path& folder, const VilbertConfig& config, const ParameterSet& parameters,
                  const Wordpiece& vocabulary) {
  save_region_model(folder, config.to_json(), parameters, vilbert_file_views, vocabulary);
}

std::function<void()> open_vilbert(const fs::path& folder, ParameterSet& parameters, const Wordpiece& vocabulary) {
  return open_region_model(folder, parameters, vilbert_file_views, vocabulary);
}

}  // namespace tessera
