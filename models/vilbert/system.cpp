#include "models/vilbert/system.h"

namespace tessera {
namespace {

VilbertTaskOptions vilbert_task_options(const VilbertSystem::Settings& settings, const SystemData& data,
                                        const OpenedRegions& regions) {
  VilbertTaskOptions out;
  out.model = settings.options.config();
  out.model.text.vocab_size = static_cast<int64_t>(data.vocabulary.size());
  out.model.v_feature_size = regions.channels;
  out.model.v_target_size = regions.classes;
  out.weights = settings.options.weights;
  out.collator = region_collator_options(settings, settings.options.regions, data.train);
  out.collator.masking.at_least_one = false;
  out.collator.masking.region_shown = settings.options.region_shown;
  out.collator.masking.false_pairs = settings.options.false_pairs;
  out.drawn = drawn_values(settings, settings.options.regions);
  out.group = region_groups(settings.options.regions, "v_embeddings.image_embeddings.weight");
  out.centred_places = settings.options.regions.places == "centred";
  out.device = device_named("train.device", settings.train.device);
  use_precision(precision_named("train.precision", settings.train.precision), out.device);
  return out;
}

}  // namespace

SettingSlots VilbertSystem::Options::slots() {
  BertConfig& of_text = model.text;
  SettingSlots out = regions.slots_of_regions();
  append(out, {{"model.hidden_size", &of_text.hidden_size},
               {"model.num_hidden_layers", &of_text.num_hidden_layers},
               {"model.num_attention_heads", &of_text.num_attention_heads},
               {"model.intermediate_size", &of_text.intermediate_size},
               {"model.max_position_embeddings", &of_text.max_position_embeddings},
               {"model.hidden_dropout_prob", &of_text.hidden_dropout_prob},
               {"model.attention_probs_dropout_prob", &of_text.attention_probs_dropout_prob},
               {"model.v_hidden_size", &model.v_hidden_size},
               {"model.v_num_hidden_layers", &model.v_num_hidden_layers},
               {"model.v_num_attention_heads", &model.v_num_attention_heads},
               {"model.v_intermediate_size", &model.v_intermediate_size},
               {"model.v_hidden_dropout_prob", &model.v_hidden_dropout_prob},
               {"model.v_attention_probs_dropout_prob", &model.v_attention_probs_dropout_prob},
               {"model.bi_hidden_size", &model.bi_hidden_size},
               {"model.bi_num_attention_heads", &model.bi_num_attention_heads},
               {"model.co_attention_layers", &co_attention_layers}});
  append(out, regions.slots_of_model());
  append(out, regions.slots_of_init());
  append(out, {{"objectives.mlm_weight", &weights.mlm},
               {"objectives.mrm_weight", &weights.mrm},
               {"objectives.match_weight", &weights.match},
               {"objectives.region_shown", &region_shown},
               {"objectives.false_pairs", &false_pairs}});
  append(out, regions.slots_of_objectives());
  return out;
}

VilbertConfig VilbertSystem::Options::config() const {
  VilbertConfig out = model;
  out.v_biattention_id.clear();
  out.t_biattention_id.clear();
  for (int64_t i = co_attention_layers; i > 0; --i) {
    out.v_biattention_id.push_back(out.v_num_hidden_layers - i);
    out.t_biattention_id.push_back(out.text.num_hidden_layers - i);
  }
  return out;
}

void VilbertSystem::Options::validate(const SystemSettings& settings) const {
  regions.validate();
  weights.validate();
  expect_share("objectives.region_shown", region_shown);
  expect_between("model.co_attention_layers", co_attention_layers, 0,
                 std::min(model.v_num_hidden_layers, model.text.num_hidden_layers));
  config().validate();
  check(regions.max_length <= model.text.max_position_embeddings, "setting 'model.max_length' is ", regions.max_length,
        ", more than model.max_position_embeddings, ", model.text.max_position_embeddings);
  check(weights.match > 0,
        "setting 'objectives.match_weight' is 0, expected more: the evaluation asks what belongs together");
  check(settings.train.precision != "bf16",
        "setting 'train.precision' is 'bf16', which this system has not: expected highest, high or tf32");
}

void VilbertSystem::Options::defaults(SystemSettings& settings) {
  settings.optimizer.learning_rate = 1e-4;
  settings.optimizer.beta2 = 0.999;
  settings.optimizer.eps = 1e-6;
  settings.train.batch_size = 512;
  settings.train.steps = 60'000;
  settings.train.out = "runs/vilbert";
}

std::string VilbertSystem::described(const Settings& settings) {
  const VilbertWeights& weights = settings.options.weights;
  std::string out = "loss =";
  const std::tuple<double, const char*, const char*> losses[] = {{weights.mlm, "mlm", "mean over masked words"},
                                                                 {weights.mrm, "mrm", "mean over masked regions"},
                                                                 {weights.match, "match", "mean over pairs"}};
  for (const auto& [weight, name, mean] : losses)
    if (weight > 0) out += text(out.back() == '=' ? " " : " + ", weight, " · ", name, " (", mean, ")");
  return out;
}

VilbertSystem::Task::Task(const Settings& settings, const SystemData& data, const OpenedRegions& regions)
    : VilbertTask(vilbert_task_options(settings, data, regions), data.train, regions.lookup, data.quarantine),
      has_words_(settings.options.weights.mlm > 0),
      beginnings_{text("regions of ", regions.channels, " features and ", regions.classes, " classes")} {}

NamedFigures VilbertSystem::Task::evaluate(const SampleSource& source, const CaptionEvaluation& options) const {
  return evaluate_region_task(*this, source, options, has_words_);
}

}  // namespace tessera
