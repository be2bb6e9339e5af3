#include "vilt/tasks/initial_weights.h"

#include <algorithm>

#include "io/printable.h"
#include "tensor/ops/gather_rows.h"
#include "train/checkpoint.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

constexpr const char* kModality = "vilt.embeddings.token_type_embeddings.weight";

// For pairs of pictures: the second one begins as the first. Weights with more kinds than are needed give the first.
Tensor modality_rows(const Tensor& found, int64_t rows) {
  std::vector<int64_t> index;
  for (int64_t row = 0; row < rows; ++row) index.push_back(std::min(row, found.size(0) - 1));
  return ops::gather_rows("train.init_from", {&found, 1}, Tensor::from(index));
}

// The head for retrieval begins as what the matching head says of "match".
bool begin_rank(const LoadedModel& weights, ParameterSet& parameters) {
  if (!weights.config.heads.matching) return false;
  for (const char* part : {".weight", ".bias"}) {
    Tensor own = parameters.at(std::string("rank_output") + part).value();
    own.copy_(weights.parameters->at(std::string("itm_score.fc") + part).value().narrow(0, 1, 1));
  }
  return true;
}

// Whether the tensors of a head are those of the run's model.
bool has_head(const LoadedModel& weights, const HeadInfo& head, const ParameterSet& parameters) {
  if (!(weights.config.heads.*head.present)) return false;
  const auto slots = parameters.slots();
  return std::all_of(slots.begin(), slots.end(), [&](const ParameterSet::Slot& slot) {
    if (head_of(slot.name) != &head) return true;
    const Variable* found = weights.parameters->find(slot.name);
    return found && found->value().shape() == slot.parameter.value().shape();
  });
}

}  // namespace

std::unique_ptr<LoadedModel> read_initial_weights(const Settings& settings,
                                                  const std::function<void(const std::string&)>& report) {
  const std::string& from = settings.train.init_from;
  if (from.empty()) return nullptr;
  check(fs::exists(from), "setting 'train.init_from': ", shown(from), ": no such file or directory");
  std::error_code error;
  check(!fs::equivalent(from, settings.train.out, error), "setting 'train.init_from': ", shown(from),
        " is the run's own folder (train.out); a run goes on from its checkpoint without it");
  LoadOptions options;
  options.strictness = Strictness::body;
  options.needs_vocabulary = false;
  options.report = report;
  const int64_t heads = settings.model.num_attention_heads;
  if (heads != ModelConfig().num_attention_heads) options.attention_heads = heads;
  return std::make_unique<LoadedModel>(load_model(from, options));
}

ModelConfig with_sizes_of(const ModelConfig& own, const ModelConfig& weights) {
  const ModelConfig usual;
  ModelConfig out = own;
  const auto take = [&](const char* name, auto ModelConfig::*size) {
    check(own.*size == usual.*size || own.*size == weights.*size, "setting 'model.", name, "' is ", own.*size,
          ", but the weights of 'train.init_from' have ", weights.*size, "; leave it out to take theirs");
    out.*size = weights.*size;
  };
  take("hidden_size", &ModelConfig::hidden_size);
  take("num_hidden_layers", &ModelConfig::num_hidden_layers);
  take("num_attention_heads", &ModelConfig::num_attention_heads);
  take("intermediate_size", &ModelConfig::intermediate_size);
  take("image_size", &ModelConfig::image_size);
  take("patch_size", &ModelConfig::patch_size);
  take("max_position_embeddings", &ModelConfig::max_position_embeddings);
  take("layer_norm_eps", &ModelConfig::layer_norm_eps);
  out.vocab_size = weights.vocab_size;
  out.type_vocab_size = weights.type_vocab_size;
  out.modality_type_vocab_size = weights.modality_type_vocab_size;
  out.qkv_bias = weights.qkv_bias;
  out.text_layer_norm_eps = weights.text_layer_norm_eps;
  out.mlm_layer_norm_eps = weights.mlm_layer_norm_eps;
  if (weights.heads.masked_words) take("tie_word_embeddings", &ModelConfig::tie_word_embeddings);
  return out;
}

Settings with_initial_sizes(Settings settings, const fs::path& checkpoint, const LoadedModel* weights) {
  if (settings.train.init_from.empty()) return settings;
  if (!checkpoint.empty())
    settings.model = with_sizes_of(settings.model, ModelConfig::from_file(checkpoint / "config.json"));
  else if (weights)
    settings.model = with_sizes_of(settings.model, weights->config);
  return settings;
}

Settings with_initial_sizes(Settings settings, bool fresh) {
  const auto checkpoint = fresh ? std::nullopt : newest_checkpoint(settings.train.out);
  const auto weights = checkpoint ? nullptr : read_initial_weights(settings);
  return with_initial_sizes(std::move(settings), checkpoint.value_or(fs::path()), weights.get());
}

std::vector<std::string> begin_with(const LoadedModel& weights, ParameterSet& parameters, const ModelConfig& config) {
  std::vector<std::string> lines{text("begins with the weights of ", weights.source, " (", weights.format, ")")};
  std::vector<const HeadInfo*> taken;
  for (const HeadInfo& head : head_table()) {
    const bool asked = config.heads.*head.present, found = has_head(weights, head, parameters);
    if (asked && found) taken.push_back(&head);
    const bool ranks = asked && !found && head.present == &Heads::rank && begin_rank(weights, parameters);
    if (ranks) lines.push_back(text("new: the ", head.part, ", which begins as the matching head's row for a match"));
    const bool other = weights.config.heads.*head.present;  // the weights' own is of another size
    if (asked && !found && !ranks)
      lines.push_back(text("new: the ", head.part, ", which the weights do not have", other ? " in this size" : ""));
    if (!asked && weights.config.heads.*head.present)
      lines.push_back(text("left out: the ", head.part, " of the weights"));
  }
  int64_t copied = 0;
  for (const ParameterSet::Slot& slot : parameters.slots()) {
    const HeadInfo* head = head_of(slot.name);
    if (head && std::find(taken.begin(), taken.end(), head) == taken.end()) continue;
    const Variable* found = weights.parameters->find(slot.name);
    if (!found) continue;  // the token of hidden patches, which comes with their head
    Tensor own = slot.parameter.value();
    own.copy_(slot.name == kModality ? modality_rows(found->value(), own.size(0)) : found->value());
    copied += own.numel();
  }
  lines.front() += text(": ", copied, " of ", parameters.total(), " parameters");
  return lines;
}

std::string prepared_otherwise(const PictureOptions& of_weights, const PictureOptions& own) {
  std::string differences;
  const auto compare = [&](const char* setting, const auto& theirs, const auto& ours) {
    if (theirs != ours)
      differences += text(differences.empty() ? "" : ", ", setting, ' ', theirs, " there and ", ours, " here");
  };
  const auto list = [](const std::array<float, 3>& values) {
    const std::string first = text(values[0]);
    return values[0] == values[1] && values[0] == values[2] ? first : text(first, ' ', values[1], ' ', values[2]);
  };
  compare("image.mean", list(of_weights.norm.mean), list(own.norm.mean));
  compare("image.std", list(of_weights.norm.std), list(own.norm.std));
  const auto rule = [](const PictureOptions& options) { return std::string(options.resize ? "shorter" : "none"); };
  compare("image.resize", rule(of_weights), rule(own));
  if (of_weights.resize && own.resize) compare("image.shorter", of_weights.shorter, own.shorter);
  const auto turned = [](const PictureOptions& options) { return options.respect_orientation ? "true" : "false"; };
  compare("image.respect_orientation", std::string(turned(of_weights)), std::string(turned(own)));
  return differences.empty() ? "" : "the weights were trained on pictures prepared otherwise: " + differences;
}

std::string begin_again(const Settings& settings, ParameterSet& parameters) {
  const std::string& from = settings.train.init_from;
  if (!from.empty() && !fs::exists(from))
    return shown(from) + " (train.init_from) is not there any more: the untrained model is a drawn one";
  if (const auto weights = read_initial_weights(settings)) begin_with(*weights, parameters, settings.model);
  return "";
}

}  // namespace tessera
