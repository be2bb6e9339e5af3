#include "models/clip/task.h"

#include "autograd/functions.h"
#include "autograd/tape.h"
#include "data/text/byte_pair_files.h"
#include "data/text/byte_pair_trainer.h"
#include "io/files.h"
#include "io/printable.h"
#include "io/safetensors.h"
#include "models/clip/load.h"
#include "models/parts/whole_pictures.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

// As ClipEmbedder reads the vocabulary's files.
BytePair::Options text_options() { return {.cleaning = TextCleaning::transformers}; }

BytePair vocabulary_of(const ClipTaskOptions& options, const SampleSource& train) {
  if (!options.vocabulary.empty()) return BytePair::from_file(options.vocabulary, text_options());
  BytePairTrainer trainer(text_options());
  for (int64_t caption = 0; caption < train.captions(); ++caption) trainer.add(train.caption(caption));
  return BytePair(trainer.train(static_cast<size_t>(options.vocab_size)), text_options(), "the captions' vocabulary");
}

Clip drawn_clip(const ClipTaskOptions& options, const BytePair& vocabulary) {
  ClipConfig config = options.config;
  config.vocab_size = static_cast<int64_t>(vocabulary.size());
  config.eos_token_id = vocabulary.end_id();
  Clip model(config);
  initialise(model, options.init, options.draws.seed);
  return model;
}

}  // namespace

ClipTask::ClipTask(const ClipTaskOptions& options, const SampleSource& train, Quarantine& quarantine, Share share)
    : options_(options),
      train_(train),
      vocabulary_(vocabulary_of(options, train)),
      model_(drawn_clip(options, vocabulary_)),
      parameters_(model_, DType::f32, "", options.device),
      draws_(train, options.draws, quarantine, share),
      loss_([](const WholeStepLoss::Features& all, std::span<const Variable> scale) {
        return contrastive_loss(all[0], all[1], scale[0]);
      }) {
  check(!options.config.resnet.has_value(), "clip: a residual picture tower is not trained");
  check(train.options().patch == options.config.patch_size, "clip: pictures are cut into patches of ",
        train.options().patch, ", the model takes ", options.config.patch_size);
}

ParameterGroup ClipTask::group(const std::string& name, const Variable& parameter) const {
  ParameterGroup out;
  out.decay = parameter.shape().dim() >= 2 && !name.ends_with("class_embedding");
  if (name.find("patch_embedding") != std::string::npos)
    out.learning_rate_multiplier = options_.patch_projection_factor;
  return out;
}

std::vector<int64_t> ClipTask::encoded(std::string_view caption) const {
  return vocabulary_.sequence(vocabulary_.encode(caption), static_cast<size_t>(model_.config.max_position_embeddings),
                              BytePair::TooLong::cut, BytePair::Padding::none);
}

void ClipTask::add_picture(const SampleSource& source, const ResizedImage& image, ClipBatch& batch) const {
  const PatchedImage cut = source.patched(image);
  batch.grids.push_back({cut.rows, cut.columns});
  batch.patches.insert(batch.patches.end(), cut.patches.begin(), cut.patches.end());
}

std::vector<ClipBatch> ClipTask::step(int64_t number) const {
  const DrawnPairs drawn = draws_.step(number);
  std::vector<ClipBatch> out;
  for (const std::vector<int64_t>& captions : drawn.micro_batches) {
    ClipBatch& batch = out.emplace_back();
    for (const int64_t caption : captions) {
      add_picture(train_, drawn.images[train_.image_of(caption)], batch);
      batch.texts.push_back(encoded(train_.caption(caption)));
      batch.sample_ids.push_back(train_.id_of(caption));
    }
  }
  return out;
}

Variable ClipTask::picture_features(const ClipBatch& batch, const ForwardContext& context) const {
  const int64_t values = 3 * model_.config.patch_size * model_.config.patch_size;
  const Tensor patches = Tensor::from(batch.patches, {static_cast<int64_t>(batch.patches.size()) / values, values});
  Variable rows(patches.to(parameters_.device()));
  if (const DType dtype = context.activations_beside(rows.dtype()); dtype != rows.dtype()) rows = cast(rows, dtype);
  return l2_normalise(model_.image_features({rows, batch.grids}, context));
}

Variable ClipTask::text_features(const ClipBatch& batch, const ForwardContext& context) const {
  return l2_normalise(model_.text_features(ClipTexts::of(batch.texts, model_.config), context));
}

WholeStepLoss::Features ClipTask::features(const ClipBatch& batch, TicketSource& tickets) const {
  ForwardContext context;
  context.training = true;
  context.tickets = &tickets;
  context.checkpoint_blocks = options_.checkpoint_blocks;
  context.activations = options_.activations;
  return {picture_features(batch, context), text_features(batch, context)};
}

void ClipTask::begin_step(std::span<const ClipBatch> step, Communicator& ranks, TicketSource tickets) {
  const Variable scale[] = {model_.logit_scale};
  loss_.begin(step.size(), scale, ranks, [&](size_t number) { return features(step[number], tickets); });
}

Losses ClipTask::losses(const ClipBatch& batch, std::span<const int64_t>, TicketSource& tickets) {
  const Variable scale[] = {model_.logit_scale};
  Losses out;
  out.total = loss_.next(features(batch, tickets), scale);
  out.terms = {{"contrastive", out.total, {}, {}}};
  return out;
}

std::string ClipTask::samples(std::span<const ClipBatch> step) const {
  std::vector<int64_t> ids;
  for (const ClipBatch& batch : step) ids.insert(ids.end(), batch.sample_ids.begin(), batch.sample_ids.end());
  return captions_text(ids);
}

void ClipTask::save(const fs::path& folder) {
  save_safetensors((folder / "model.safetensors").string(), clip_file_views(parameters_.state(), model_.config),
                   {{"format", "pt"}});
  write_file_atomically(folder / "config.json", model_.config.to_json());
  write_file_atomically(folder / "preprocessor_config.json", whole_pictures_json(train_.options()));
  write_byte_pair_json(folder, vocabulary_.vocabulary());
}

std::function<void()> ClipTask::open(const fs::path& folder) {
  const BytePairVocabulary there = BytePair::from_file(folder / "vocab.json", text_options()).vocabulary();
  const BytePairVocabulary& here = vocabulary_.vocabulary();
  check(there.tokens == here.tokens && there.merges == here.merges, shown(folder),
        ": was trained with another vocabulary; use --fresh to start over or train.out=FOLDER for another place");
  const std::string config = ClipConfig::from_file(folder / "config.json").to_json();
  check(config == model_.config.to_json(), shown(folder / "config.json"),
        ": is of a model of other sizes; use --fresh to start over or train.out=FOLDER for another place");
  const std::string source = shown(folder / "model.safetensors");
  return [this, source, tensors = load_safetensors((folder / "model.safetensors").string()).tensors] {
    load_clip_state(parameters_, model_.config, tensors, source);
  };
}

Tensor ClipTask::text_vectors(const SampleSource& source, std::span<const int64_t> captions) const {
  const NoGrad no_grad;
  ClipBatch batch;
  for (const int64_t caption : captions) batch.texts.push_back(encoded(source.caption(caption)));
  ForwardContext context;
  context.activations = options_.activations;
  return text_features(batch, context).value().to(Device{}).to(DType::f32);
}

Tensor ClipTask::picture_vectors(const SampleSource& source, std::span<const int64_t> images) const {
  const NoGrad no_grad;
  ClipBatch batch;
  for (const int64_t image : images) add_picture(source, *source.resized(image), batch);
  ForwardContext context;
  context.activations = options_.activations;
  return picture_features(batch, context).value().to(Device{}).to(DType::f32);
}

}  // namespace tessera
