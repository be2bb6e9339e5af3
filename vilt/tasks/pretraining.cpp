#include "vilt/tasks/pretraining.h"

#include <cmath>

#include "io/printable.h"
#include "io/words.h"
#include "nn/precision.h"
#include "tensor/device.h"
#include "train/training.h"
#include "vilt/files/model_folder.h"
#include "vilt/initialise.h"
#include "vilt/tasks/example_pictures.h"
#include "vilt/tasks/initial_weights.h"
#include "vilt/tasks/optimizer_settings.h"
#include "vilt/tasks/summary.h"

namespace tessera {
namespace {

Settings with_heads(Settings settings) {
  settings.model = model_config(settings);
  settings.model.check_trainable();
  return settings;
}

std::string figure(const Figure& value) { return value ? fixed_text(*value, 3) : "-"; }

// The data sets that training draws from by weight; without weights they are one. Those in shards are drawn from window
// by window.
CollatorOptions with_parts(CollatorOptions options, const Settings& settings, const PairSource& train) {
  const auto& sets = settings.data.sets;
  std::vector<SamplePart> parts = train.parts();
  const bool in_runs = !parts.empty() && !parts[0].runs.empty();
  if (in_runs) options.window = settings.data.shuffle_buffer;
  if (!sets.empty() && sets[0].weight > 0) {
    for (size_t i = 0; i < sets.size(); ++i) parts.at(i).weight = sets[i].weight;
    options.parts = std::move(parts);
  } else if (in_runs) {
    SamplePart& whole = options.parts.emplace_back();
    for (const SamplePart& part : parts) {
      whole.count += part.count;
      whole.runs.insert(whole.runs.end(), part.runs.begin(), part.runs.end());
    }
  }
  return options;
}

}  // namespace

ModelConfig model_config(const Settings& settings) {
  ModelConfig config = settings.model;
  config.heads.masked_patches = settings.objectives.mpp_weight != 0;
  return config;
}

SampleOptions sample_options(const Settings& settings) {
  SampleOptions options;
  options.resize = settings.image.resize == "shorter";
  options.shorter = static_cast<int>(settings.image.shorter);
  options.patch = static_cast<int>(settings.model.patch_size);
  options.norm.mean.fill(static_cast<float>(settings.image.mean));
  options.norm.std.fill(static_cast<float>(settings.image.std));
  options.respect_orientation = settings.image.respect_orientation;
  options.max_length = settings.model.max_position_embeddings;
  options.cache_bytes = settings.data.cache_bytes;
  return options;
}

CollatorOptions collator_options(const Settings& settings) {
  const auto& objectives = settings.objectives;
  CollatorOptions options;
  options.batch_size = settings.train.batch_size;
  options.accumulate = settings.train.accumulate;
  options.seed = static_cast<uint64_t>(settings.train.seed);
  options.table_side = settings.model.table_side();
  options.max_patches = settings.image.max_patches;
  options.masked_words = objectives.mlm_weight != 0;
  options.rand_augment = settings.image.augment == "randaugment";
  options.pairs = objectives.itm_weight != 0 || objectives.wpa_weight != 0;
  options.masked_patches = objectives.mpp_weight != 0;
  options.levels = settings.train.device != "cpu";
  options.patch_masking = {objectives.patch_mask_rate, objectives.patch_replace_rate};
  options.masking.variant = objectives.masking == "strict" ? MaskingOptions::strict : MaskingOptions::official;
  options.masking.rate = objectives.mask_rate;
  options.masking.content_first = objectives.content_first;
  options.masking.max_length = settings.model.max_position_embeddings;
  options.sibling_negatives = objectives.sibling_negatives;
  options.false_images_in_batch = objectives.false_images == "batch";
  options.curriculum_steps = std::llround(settings.train.curriculum * static_cast<double>(settings.train.steps));
  options.curriculum_group = settings.train.curriculum_group;
  return options;
}

ObjectiveOptions objective_options(const Settings& settings) {
  const auto& from = settings.objectives;
  return {from.mlm_weight, from.itm_weight, from.wpa_weight, from.ipot_beta, from.ipot_iterations, from.mpp_weight};
}

LearnerOptions learner_options(const Settings& settings) { return learner_options(settings.train, settings.optimizer); }

ViltWithHeads drawn_model(const Settings& settings) {
  ViltWithHeads model(settings.model);
  initialise(model, settings.init, static_cast<uint64_t>(settings.train.seed));
  return model;
}

Pretraining::Pretraining(const Settings& settings, const LoadedModel* weights)
    : settings_(with_heads(settings)),
      objectives_(objective_options(settings)),
      model_(drawn_model(settings_)),
      parameters_(model_, DType::f32, "", device_named("train.device", settings.train.device)) {
  const Precision precision = precision_named("train.precision", settings.train.precision);
  context_.activations = use_precision(precision, parameters_.device());
  if (weights) beginnings_ = begin_with(*weights, parameters_, settings_.model);
}

ParameterGroup Pretraining::group(const std::string& name, const Variable& parameter) const {
  return parameter_group(settings_.optimizer, name, parameter);
}

std::set<std::string> Pretraining::trained() const {
  std::set<std::string> out;
  for (const std::string& name : parameters_.names())
    if (is_reached(name, objectives_)) out.insert(name);
  return out;
}

Losses Pretraining::losses(const PretrainBatch& batch, std::span<const int64_t> divisors, TicketSource& tickets) const {
  ForwardContext context = context_;
  context.training = true;
  context.tickets = &tickets;
  context.checkpoint_blocks = settings_.train.checkpoint_blocks;
  return pretrain_objectives(model_, batch, objectives_, divisors, context);
}

std::string Pretraining::samples(std::span<const PretrainBatch> step) const {
  std::string out;
  for (const PretrainBatch& batch : step)
    for (const int64_t id : batch.sample_ids) out += (out.empty() ? "sentences " : ", ") + std::to_string(id);
  return out;
}

PretrainingRun::PretrainingRun(const Settings& settings, const LoadedModel* weights, const Wordpiece& vocabulary,
                               const PairSource& train, const SampleSource& validation, Quarantine& quarantine)
    : Pretraining(settings, weights),
      settings_(settings),
      vocabulary_(vocabulary),
      train_(train),
      validation_(validation),
      quarantine_(quarantine),
      usable_(validation, quarantine.limit(), quarantine.report()),
      collator_(train, with_parts(collator_options(settings), settings, train), quarantine) {}

Evaluated PretrainingRun::evaluate() {
  EvaluationOptions options;
  options.limit = settings_.train.evaluate_samples;
  options.controls = false;
  options.context = context();
  options.usable = &usable_;
  const Evaluation e = tessera::evaluate(model(), validation_, options);
  return {evaluation_json(e),
          text(e.samples, " of ", settings_.data.validation_split,
               e.pictures_left_out > 0 ? text(", ", kPicturesLeftOut, " ", e.pictures_left_out) : "",
               ": matching random ", figure(e.itm_accuracy_random), ", sibling ", figure(e.itm_accuracy_hard),
               "; masked words ", figure(e.mlm_accuracy_content), "; attention points ", figure(e.pointing_attention),
               ", own above other ", figure(e.pointing_own_over_other)),
          examples()};
}

std::vector<EventImage> PretrainingRun::examples() {
  std::vector<PictureExample> out;
  for (const int64_t s : example_samples(validation_.captions(), settings_))
    if (usable_.usable(validation_.image_of(s)))
      out.push_back({validation_.caption(s), validation_.text(s).ids, {validation_.resized(validation_.image_of(s))}});
  return example_pictures(model(), validation_, out, context());
}

void PretrainingRun::save(const std::filesystem::path& folder) {
  save_model_folder(folder, settings_.model, sample_options(settings_), vocabulary_, parameters());
}

std::function<void()> PretrainingRun::open(const std::filesystem::path& folder) {
  check(Wordpiece::from_file(folder / "vocab.txt").tokens() == vocabulary_.tokens(), shown(folder),
        ": was trained with another vocabulary; use --fresh to start over or train.out=FOLDER for another place");
  return open_model_folder(folder, settings_.model, parameters());
}

std::string PretrainingRun::remarks() const {
  return text("; ", train_.cached_bytes() >> 20, " MiB of decoded images in memory; ", quarantine_.count(),
              " images left out");
}

}  // namespace tessera
