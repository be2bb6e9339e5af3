// CLIP's training as a task (train/learner.h, train/task.h): the symmetric contrastive loss over all pairs of a step,
// exact over micro-batches and ranks (train/whole_step_loss.h), with the scale held to [0, ln 100] after each update.
// Pictures keep their own grids of patches: nothing is cropped away that a caption may speak of.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "data/text/byte_pair.h"
#include "models/clip/initialise.h"
#include "models/parts/pair_draws.h"
#include "train/task.h"
#include "train/whole_step_loss.h"

namespace tessera {

struct ClipTaskOptions {
  // vocab_size and eos_token_id are the vocabulary's, patch_size that of the pictures.
  ClipConfig config;
  ClipInit init = ClipInit::published;
  // Byte pairs in any form of data/text/byte_pair_files.h; empty: learnt from the training captions, `vocab_size`
  // tokens, or fewer where the captions have no more.
  std::filesystem::path vocabulary;
  int64_t vocab_size = 1024;
  PairDrawOptions draws;
  double patch_projection_factor = 1;  // of the patch projection's learning rate
  Device device = {};
  DType activations = DType::f32;  // nn/precision.h
  bool checkpoint_blocks = false;
};

struct ClipBatch {
  std::vector<float> patches;  // [patches, 3 · P²]
  std::vector<Grid> grids;     // of each picture
  std::vector<std::vector<int64_t>> texts;
  std::vector<int64_t> sample_ids;
};

class ClipTask {
 public:
  using Batch = ClipBatch;

  // What is given must outlive the task. Errors: `draws` of a single pair; pictures cut into other patches than the
  // model's.
  ClipTask(const ClipTaskOptions& options, const SampleSource& train, Quarantine& quarantine, Share share = {});

  const Clip& model() const { return model_; }
  const BytePair& vocabulary() const { return vocabulary_; }

  ParameterSet& parameters() { return parameters_; }
  FigureTable figure_table() const { return {{"contrastive", ""}}; }
  // Gains, biases, the class token and the scale do not decay.
  ParameterGroup group(const std::string& name, const Variable& parameter) const;
  std::optional<std::set<std::string>> trained() const { return std::nullopt; }
  std::vector<int64_t> divisors(const ClipBatch& batch) const { return {static_cast<int64_t>(batch.texts.size())}; }
  void begin_step(std::span<const ClipBatch> step, Communicator& ranks, TicketSource tickets);
  Losses losses(const ClipBatch& batch, std::span<const int64_t> divisors, TicketSource& tickets);
  void after_update() { clamp_logit_scale_(model_.logit_scale); }
  std::string samples(std::span<const ClipBatch> step) const;

  std::vector<ClipBatch> step(int64_t number) const;
  // A Hugging Face directory that load_clip (models/clip/load.h) reads: config.json, model.safetensors,
  // preprocessor_config.json, vocab.json, merges.txt.
  void save(const std::filesystem::path& folder);
  std::function<void()> open(const std::filesystem::path& folder);

  // Vectors of unit length of captions and pictures of a data set, f32 [numbers, projection]. The pictures have to be
  // prepared as those of training.
  Tensor text_vectors(const SampleSource& source, std::span<const int64_t> captions) const;
  Tensor picture_vectors(const SampleSource& source, std::span<const int64_t> images) const;

 private:
  std::vector<int64_t> encoded(std::string_view caption) const;
  void add_picture(const SampleSource& source, const ResizedImage& image, ClipBatch& batch) const;
  Variable picture_features(const ClipBatch& batch, const ForwardContext& context) const;
  Variable text_features(const ClipBatch& batch, const ForwardContext& context) const;
  // Of unit length.
  WholeStepLoss::Features features(const ClipBatch& batch, TicketSource& tickets) const;

  ClipTaskOptions options_;
  const SampleSource& train_;
  BytePair vocabulary_;
  Clip model_;
  ParameterSet parameters_;
  PairDraws draws_;
  WholeStepLoss loss_;
};

}  // namespace tessera
