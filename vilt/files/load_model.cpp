#include "vilt/files/load_model.h"

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>

#include "io/files.h"
#include "io/printable.h"
#include "io/strict_json.h"
#include "nn/state_differences.h"
#include "train/checkpoint.h"
#include "vilt/files/preprocessing.h"
#include "vilt/initialise.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

// `given` if it is not empty, else the file of this name beside the weights if there is one, else empty.
fs::path beside(const LoadedModel& model, const fs::path& given, const char* name) {
  if (!given.empty()) {
    check(fs::exists(given), shown(given), ": no such file");
    return given;
  }
  const fs::path path = model.directory / name;
  return fs::exists(path) ? path : fs::path();
}

// Labels have to be as many as the classifier's rows, whether they are those of `options` or of config.json.
void check_labels(const ModelConfig& config, const LoadOptions& options, const fs::path& config_file,
                  const Weights& weights) {
  const bool given = !options.labels.empty();
  check(!given || config.heads.classifier, weights.source, ": labels are given, but the model has no classifier");
  const auto output = weights.state.tensors.find("classifier.3.weight");
  const bool has_rows = output != weights.state.tensors.end() && output->second.dim() == 2;
  if (!config.heads.classifier || !has_rows || options.strictness != Strictness::whole) return;
  const int64_t rows = output->second.size(0), named = config.num_labels();
  if (named == rows) return;
  check(!given, shown(options.labels), ": holds ", named, " labels, the model's classifier has ", rows);
  const bool usual = config.labels == std::vector<std::string>{"LABEL_0", "LABEL_1"};  // where there are none
  check(!usual, shown(config_file), ": names no labels (id2label), which stands for two, but the classifier has ", rows,
        "; give them with --labels, one a line");
  fail(shown(config_file), ": names ", named, " labels (id2label), but the classifier has ", rows,
       ": classifier.3.weight is ", output->second.shape(), "; --labels gives others");
}

ModelConfig read_config(const LoadedModel& model, const LoadOptions& options, Weights& weights) {
  if (options.attention_heads > 0) weights.attention_heads = options.attention_heads;
  const fs::path path = beside(model, options.config, "config.json");
  // Before those of the file, which may be wrong.
  const std::vector<std::string> labels =
      options.labels.empty() ? std::vector<std::string>() : read_labels(options.labels);
  ModelConfig config;
  if (path.empty()) {
    config = adapt(config_of(weights), weights);
    if (!labels.empty()) config.labels = labels;
    weights.notes.push_back(
        text("assumed: no config.json; sizes from the tensors, ", config.num_attention_heads,
             " attention heads, settings of ",
             weights.state.naming == Naming::authors ? "the authors' code" : "Hugging Face's code"));
  } else {
    config = adapt(ModelConfig::from_file(path, labels), weights);
    check(options.attention_heads == 0 || options.attention_heads == config.num_attention_heads, shown(path), ": has ",
          config.num_attention_heads, " attention heads (num_attention_heads), ", options.attention_heads,
          " are given");
  }
  check_labels(config, options, path, weights);
  return config;
}

// Folders of other systems (models/) look alike. What is missing in them to be a ViLT's says less than whose they are.
void check_no_other_system(const fs::path& folder) {
  for (const char* name : {"config.json", "regions.json"}) {
    const fs::path path = folder / name;
    if (!fs::exists(path)) continue;
    const std::vector<uint8_t> bytes = read_file(path);
    const nlohmann::json root = nlohmann::json::parse(bytes.begin(), bytes.end(), nullptr, false);
    if (!root.is_object()) continue;  // what is wrong with it is told by its reader
    const auto type = root.find("model_type");
    if (type == root.end() || !type->is_string()) continue;
    check(*type == "vilt", shown(path), ": field 'model_type' is ", quoted_text(type->get<std::string>()),
          ", expected \"vilt\": a model of another system, which this command does not take");
  }
}

// Roughly how many parameters a model of this configuration has, at most.
double parameters_of(const ModelConfig& config) {
  const auto hidden = static_cast<double>(config.hidden_size), side = static_cast<double>(config.table_side());
  const auto words = static_cast<double>(config.vocab_size), inner = static_cast<double>(config.intermediate_size);
  const auto labels = static_cast<double>(config.labels.size()), images = static_cast<double>(config.num_images);
  const double rows = 2 * words +
                      static_cast<double>(config.max_position_embeddings + config.type_vocab_size +
                                          config.modality_type_vocab_size + config.patch_values()) +
                      side * side;
  const double layers = static_cast<double>(config.num_hidden_layers) * hidden * (4 * hidden + 2 * inner);
  return hidden * rows + layers + 2 * hidden * (images * hidden + labels);
}

// Before memory is taken for a model: its configuration is a file that nobody has checked. Where it merely does not fit
// the weights, the list of all differences says more.
void check_size(const ModelConfig& config, const Weights& weights) {
  constexpr double kAlwaysAllowed = 1 << 24, kTimes = 4;
  double held = 0;
  for (const auto& item : weights.raw) held += static_cast<double>(item.second.numel());
  const double needed = parameters_of(config);
  check(needed <= kAlwaysAllowed + kTimes * held, weights.source, ": the configuration describes a model of about ",
        needed, " parameters, the weights are ", held, " numbers; config.json does not belong to them");
}

void read_vocabulary(LoadedModel& out, const LoadOptions& options) {
  fs::path path = beside(out, options.vocabulary, "vocab.txt");
  if (path.empty()) path = beside(out, {}, "tokenizer.json");
  if (path.empty()) {
    check(!options.needs_vocabulary, shown(out.directory),
          ": there is no vocab.txt and no tokenizer.json; give one with --vocab");
    return;
  }
  out.vocabulary = std::make_unique<Wordpiece>(Wordpiece::from_file(path));
  check(static_cast<int64_t>(out.vocabulary->size()) == out.config.vocab_size, shown(path), ": has ",
        out.vocabulary->size(), " tokens, the model ", out.config.vocab_size);
}

void read_preparation(LoadedModel& out, Weights& weights) {
  const auto patch = static_cast<int>(out.config.patch_size);
  const auto found = find_preprocessing(out.directory, patch);
  // Models trained here may take pictures at their own size: nothing can be assumed of a checkpoint of training.
  check(found || !fs::exists(out.directory / "state.json"), shown(out.directory), ": has no preprocessor_config.json");
  out.preprocessing = found.value_or(default_preprocessing(patch));
  out.preprocessing.max_length = out.config.max_position_embeddings;
  if (found) return;
  out.preprocessing.shorter = static_cast<int>(out.config.image_size);
  weights.notes.push_back(text("assumed: no preprocessor_config.json; the shorter side of pictures becomes ",
                               out.preprocessing.shorter, " pixels, both multiples of ", out.preprocessing.divisor(),
                               ", mean and standard deviation 0.5"));
}

// A head of which a tensor keeps its initial value could only answer at random.
void take_away_heads(LoadedModel& out, Weights& weights, const std::vector<std::string>& left_out) {
  for (const HeadInfo& head : head_table()) {
    const bool whole = std::none_of(left_out.begin(), left_out.end(),
                                    [&](const std::string& name) { return name.starts_with(head.prefix); });
    if (whole || !(out.config.heads.*head.present)) continue;
    out.model->remove(head);
    out.config.heads.*head.present = false;
    weights.notes.push_back(text("not loaded: the ", head.part, ", which the model does not have then"));
  }
}

StateDict backbone_of(const StateDict& state) {
  StateDict out;
  std::copy_if(state.begin(), state.end(), std::inserter(out, out.end()),
               [](const auto& entry) { return entry.first.starts_with("vilt."); });
  return out;
}

void load_body(LoadedModel& out, Weights& weights) {
  const StateDict& file = weights.state.tensors;
  const StateDict views = file_views(out.parameters->state(), out.config);
  const std::string differences = describe_differences(backbone_of(views), backbone_of(file));
  check(differences.empty(), weights.source, ": the tensors are not those of the backbone; nothing was loaded",
        differences);
  take_away_heads(out, weights, load_fitting_state(*out.parameters, out.config, file).left_out);
  std::string others;
  int64_t count = 0;
  for (const auto& [name, tensor] : file)
    if (!views.contains(name) && ++count <= 3) others += (others.empty() ? "" : ", ") + name;
  if (count > 0)
    weights.notes.push_back(
        text("left out: ", count, " tensors that are not the model's: ", others, count > 3 ? ", …" : ""));
}

void load_partly(LoadedModel& out, Weights& weights) {
  const PartialLoad load = load_fitting_state(*out.parameters, out.config, weights.state.tensors);
  check(load.loaded > 0, weights.source,
        ": not one tensor is one of the model's, so that there is nothing to load, partly either",
        "; `vilt info` lists what the file holds");
  if (2 * load.loaded < load.total)
    weights.notes.insert(weights.notes.begin(),
                         text("loaded: only ", 100 * load.loaded / load.total, " % of the model's numbers"));
  constexpr int kNamed = 10;
  int count = 0;
  std::istringstream lines(load.differences);
  for (std::string line; std::getline(lines >> std::ws, line);)
    if (++count <= kNamed) weights.notes.push_back("not loaded: " + line);
  if (count > kNamed)
    weights.notes.push_back(
        text("not loaded: … and ", count - kNamed, " more; `vilt info --tensors` lists the file's"));
  take_away_heads(out, weights, load.left_out);
}

}  // namespace

fs::path find_weights(const fs::path& path) {
  check(fs::exists(path), shown(path),
        ": no such file or directory; expected a model's folder, a run or a file of weights");
  if (holds_weights(path)) return path;
  check(fs::is_directory(path), shown(path), ": not a file of weights (.safetensors, .bin, .ckpt, .pt)");
  const auto newest = newest_checkpoint(path);
  check(newest.has_value(), shown(path),
        ": neither a model (model.safetensors, pytorch_model.bin) nor a run with a checkpoint");
  return *newest;
}

LoadedModel load_model(const fs::path& path, const LoadOptions& options) {
  const fs::path place = find_weights(path);
  return load_model(read_weights(place), place, options);
}

LoadedModel load_model(Weights weights, const fs::path& place, const LoadOptions& options) {
  LoadedModel out;
  out.directory = fs::is_directory(place) ? place : fs::absolute(place).parent_path();
  out.source = weights.source;
  out.format = weights.format;
  if (options.strictness == Strictness::whole && options.config.empty()) check_no_other_system(out.directory);
  out.config = read_config(out, options, weights);
  read_vocabulary(out, options);
  read_preparation(out, weights);
  const Strictness strictness = options.strictness;
  if (strictness != Strictness::none) check_size(out.config, weights);
  out.model = std::make_unique<ViltWithHeads>(out.config);
  if (strictness == Strictness::none) initialise(*out.model, Settings::Init{}, 0);
  out.parameters = std::make_unique<ParameterSet>(*out.model, DType::f32, "", options.device);
  switch (strictness) {
    case Strictness::whole: load_file_state(*out.parameters, out.config, weights.state.tensors, weights.source); break;
    case Strictness::body: load_body(out, weights); break;
    case Strictness::none: load_partly(out, weights);
  }
  if (options.report)
    for (const std::string& note : weights.notes) options.report(note);
  return out;
}

std::vector<std::string> read_labels(const fs::path& path) {
  const std::vector<uint8_t> bytes = read_file(path);
  std::string content(bytes.begin(), bytes.end());
  if (content.starts_with("\xef\xbb\xbf")) content.erase(0, 3);  // a mark of some editors
  const nlohmann::json json = nlohmann::json::parse(content, nullptr, false);
  if (json.is_object()) return labels_of_json(content, shown(path));
  std::vector<std::string> labels;
  if (json.is_array()) {
    for (const nlohmann::json& label : json) {
      check(label.is_string(), shown(path), ": label ", labels.size(), " is ", described_type(label),
            ", expected a string");
      labels.push_back(label.get<std::string>());
    }
  } else {
    std::istringstream lines(content);
    for (std::string line; std::getline(lines, line);) {
      if (line.ends_with('\r')) line.pop_back();
      labels.push_back(line);
    }
    while (!labels.empty() && labels.back().empty()) labels.pop_back();
  }
  check(!labels.empty(), shown(path), ": holds no labels");
  return labels;
}

}  // namespace tessera
