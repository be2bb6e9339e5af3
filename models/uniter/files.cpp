#include "models/uniter/files.h"

#include <nlohmann/json.hpp>

#include "io/files.h"
#include "io/printable.h"
#include "io/strict_json.h"
#include "io/weights/weight_file.h"
#include "models/parts/told_sizes.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRegionProjection = "uniter.img_embeddings.img_linear.weight";

bool is_uniter_name(std::string_view name) {
  for (const char* beginning :
       {"uniter.", "cls.predictions.", "feat_regress.", "region_classifier.", "itm_output.", "vqa_output.",
        "nlvr2_output.", "attn1.", "attn2.", "fc.", "attn_pool.", "rank_output."})
    if (name.starts_with(beginning)) return true;
  return false;
}

bool any_begins(const NamedTensors& tensors, const std::string& beginning) {
  const auto found = tensors.lower_bound(beginning);
  return found != tensors.end() && found->first.starts_with(beginning);
}

int64_t size_or(const NamedTensors& tensors, const std::string& source, const char* name, int64_t otherwise) {
  return tensors.contains(name) ? told_size(tensors, source, name, 2, 0) : otherwise;
}

// The published JSON does not have what the code adds to it.
UniterConfig config_from(const fs::path& file, const NamedTensors& tensors, const std::string& source) {
  constexpr uint64_t kLargestFile = uint64_t{16} << 20;
  const std::vector<uint8_t> bytes = read_file(file, kLargestFile);
  const std::string contents(bytes.begin(), bytes.end());
  UniterConfig config = UniterConfig::from_json(contents, shown(file));
  const nlohmann::json root = parse_strict_json(contents, shown(file));
  const ConfigFields fields(root, shown(file));
  const UniterConfig told = uniter_config_of(tensors, source);
  if (!fields.given("img_dim")) config.img_dim = told.img_dim;
  if (!fields.given("img_label_dim")) config.img_label_dim = told.img_label_dim;
  if (!fields.given("num_answers")) config.num_answers = told.num_answers;
  config.validate();
  return config;
}

}  // namespace

bool is_uniter(const fs::path& path) {
  if (!holds_weights(path)) return false;
  return read_weight_file(path, is_uniter_name).tensors.contains(kRegionProjection);
}

UniterHeads uniter_heads_of(const NamedTensors& tensors) {
  const bool attention = any_begins(tensors, "attn1.");
  return {.words = any_begins(tensors, "cls.predictions."),
          .region_features = any_begins(tensors, "feat_regress."),
          .region_classes = any_begins(tensors, "region_classifier."),
          .matching = any_begins(tensors, "itm_output."),
          .answers = any_begins(tensors, "vqa_output."),
          .pair = any_begins(tensors, "nlvr2_output.") && !attention,
          .paired_attention = attention,
          .rank = any_begins(tensors, "rank_output.")};
}

UniterConfig uniter_config_of(const NamedTensors& tensors, const std::string& source) {
  constexpr int64_t kHeadSize = 64;
  UniterConfig config;
  BertConfig& bert = config.bert;
  const auto size = [&](const std::string& name, int dimension) {
    return told_size(tensors, source, "uniter." + name, 2, dimension);
  };
  bert.vocab_size = size("embeddings.word_embeddings.weight", 0);
  bert.hidden_size = size("embeddings.word_embeddings.weight", 1);
  bert.max_position_embeddings = size("embeddings.position_embeddings.weight", 0);
  bert.type_vocab_size = size("embeddings.token_type_embeddings.weight", 0);
  bert.num_hidden_layers = told_layers(tensors, "uniter.encoder.layer.", ".intermediate.dense.weight");
  check(bert.num_hidden_layers > 0, source, ": no configuration can be derived: there are no blocks");
  bert.intermediate_size = size("encoder.layer.0.intermediate.dense.weight", 0);
  bert.num_attention_heads = bert.hidden_size % kHeadSize == 0 ? bert.hidden_size / kHeadSize : 1;
  config.img_dim = size("img_embeddings.img_linear.weight", 1);
  config.img_label_dim = size_or(tensors, source, "region_classifier.net.3.weight", config.img_label_dim);
  config.num_answers = size_or(tensors, source, "vqa_output.3.weight", config.num_answers);
  config.validate();
  return config;
}

LoadedUniter load_uniter_files(const fs::path& path, const UniterLoadOptions& options) {
  const auto report = [&](const std::string& line) {
    if (options.report) options.report(line);
  };
  const WeightFile file = read_weight_file(path, is_uniter_name);
  for (const std::string& note : file.notes) report(note);
  check(file.tensors.contains(kRegionProjection), file.source, ": is no UNITER: there is no ", kRegionProjection);
  const fs::path directory = fs::is_directory(path) ? path : path.parent_path();
  check(options.config.empty() || fs::exists(options.config), shown(options.config), ": no such file");
  fs::path config_file = options.config;
  if (config_file.empty() && fs::exists(directory / "config.json")) config_file = directory / "config.json";
  UniterConfig config;
  if (config_file.empty()) {
    config = uniter_config_of(file.tensors, file.source);
    check(config.bert.hidden_size % 64 == 0, file.source, ": is ", config.bert.hidden_size,
          " wide, which is no multiple of 64, the channels of a head in the published models; give its config.json");
    report("assumed: no config.json; sizes from the tensors, heads of 64 channels, as the published models have them");
  } else {
    config = config_from(config_file, file.tensors, file.source);
  }
  const BertConfig& bert = config.bert;
  const UniterHeads heads = uniter_heads_of(file.tensors);
  const auto width = static_cast<double>(bert.hidden_size);
  check_described_size(bert_parameters(bert.vocab_size + bert.max_position_embeddings + bert.type_vocab_size,
                                       bert.hidden_size, bert.intermediate_size, bert.num_hidden_layers) +
                           width * static_cast<double>(config.img_dim) +
                           (heads.region_classes ? width * static_cast<double>(config.img_label_dim) : 0) +
                           (heads.answers ? 2 * width * static_cast<double>(config.num_answers) : 0),
                       file.tensors, file.source);
  LoadedUniter out;
  out.source = file.source;
  out.format = file.format;
  out.model = std::make_unique<UniterWithHeads>(config, heads);
  out.parameters = std::make_unique<ParameterSet>(*out.model, options.dtype, "", options.device);
  load_uniter(*out.parameters, without_position_ids(file.tensors), file.source);
  if (fs::exists(directory / "vocab.txt")) out.vocabulary = directory / "vocab.txt";
  return out;
}

void save_uniter(const fs::path& folder, const UniterConfig& config, const ParameterSet& parameters,
                 const Wordpiece& vocabulary) {
  save_region_model(folder, config.to_json(), parameters, split_qkv, vocabulary);
}

std::function<void()> open_uniter(const fs::path& folder, ParameterSet& parameters, const Wordpiece& vocabulary) {
  return open_region_model(folder, parameters, split_qkv, vocabulary);
}

}  // namespace tessera
