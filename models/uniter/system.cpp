#include "models/uniter/system.h"

namespace tessera {
namespace {

UniterTaskOptions uniter_task_options(const UniterSystem::Settings& settings, const SystemData& data,
                                      const OpenedRegions& regions) {
  UniterTaskOptions out;
  out.model.bert = settings.options.bert;
  out.model.bert.vocab_size = static_cast<int64_t>(data.vocabulary.size());
  out.model.img_dim = regions.channels;
  out.model.img_label_dim = regions.classes;
  out.mix = settings.options.mix;
  out.collator = region_collator_options(settings, settings.options.regions, data.train);
  out.drawn = drawn_values(settings, settings.options.regions);
  out.group = region_groups(settings.options.regions, "img_embeddings.img_linear.weight");
  out.centred_places = settings.options.regions.places == "centred";
  out.device = device_named("train.device", settings.train.device);
  out.activations = use_precision(precision_named("train.precision", settings.train.precision), out.device);
  return out;
}

}  // namespace

SettingSlots UniterSystem::Options::slots() {
  SettingSlots out = regions.slots_of_regions();
  append(out, {{"model.hidden_size", &bert.hidden_size},
               {"model.num_hidden_layers", &bert.num_hidden_layers},
               {"model.num_attention_heads", &bert.num_attention_heads},
               {"model.intermediate_size", &bert.intermediate_size},
               {"model.max_position_embeddings", &bert.max_position_embeddings},
               {"model.hidden_dropout_prob", &bert.hidden_dropout_prob},
               {"model.attention_probs_dropout_prob", &bert.attention_probs_dropout_prob}});
  append(out, regions.slots_of_model());
  append(out, regions.slots_of_init());
  for (size_t i = 0; i < kUniterObjectives.size(); ++i)
    out.emplace_back(text("objectives.", kUniterObjectives[i], "_share"), &mix.shares[i]);
  append(out, {{"objectives.wra_weight", &mix.wra_weight},
               {"objectives.ipot_beta", &mix.ipot_beta},
               {"objectives.ipot_iterations", &mix.ipot_iterations}});
  append(out, regions.slots_of_objectives());
  return out;
}

void UniterSystem::Options::validate(const SystemSettings&) const {
  regions.validate();
  mix.validate();
  UniterConfig config;
  config.bert = bert;
  config.validate();
  check(regions.max_length <= bert.max_position_embeddings, "setting 'model.max_length' is ", regions.max_length,
        ", more than model.max_position_embeddings, ", bert.max_position_embeddings);
}

void UniterSystem::Options::defaults(SystemSettings& settings) {
  settings.optimizer.learning_rate = 5e-5;
  settings.optimizer.eps = 1e-6;
  settings.optimizer.warmup = 0.05;
  settings.optimizer.clip = 5;
  settings.train.steps = 200'000;
  settings.train.out = "runs/uniter";
}

std::string UniterSystem::described(const Settings& settings) {
  const UniterMix& mix = settings.options.mix;
  double sum = 0;
  for (const double share : mix.shares) sum += share;
  std::string out = "each step one of:";
  for (size_t i = 0; i < mix.shares.size(); ++i)
    if (mix.shares[i] > 0)
      out += text(out.back() == ':' ? " " : ", ", kUniterObjectives[i], " (", fixed_text(100 * mix.shares[i] / sum, 0),
                  " %)");
  if (mix.of(UniterObjective::itm) > 0 && mix.wra_weight > 0) out += text("; itm with ", mix.wra_weight, " · wra");
  return out;
}

UniterSystem::Task::Task(const Settings& settings, const SystemData& data, const OpenedRegions& regions)
    : UniterTask(uniter_task_options(settings, data, regions), data.train, regions.lookup, data.quarantine),
      has_words_(settings.options.mix.of(UniterObjective::mlm) > 0),
      beginnings_{text("regions of ", regions.channels, " features and ", regions.classes, " classes")} {
  check(settings.options.mix.of(UniterObjective::itm) > 0,
        "setting 'objectives.itm_share' is 0, expected more: the evaluation asks what belongs together");
}

NamedFigures UniterSystem::Task::evaluate(const SampleSource& source, const CaptionEvaluation& options) const {
  return evaluate_region_task(*this, source, options, has_words_);
}

}  // namespace tessera
