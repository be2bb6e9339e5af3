// Pixel-BERT's pre-training: the model, and what it learns from a batch.
//
//   masked words   the words that stood at the masked places, from the rest of the text and the picture's cells
//   matching       whether the picture is the text's
//
// The network is trained end to end. Published: SGD for it, AdamW for the transformer; here AdamW for both, with a
// factor on the network's learning rate.
#pragma once

#include <optional>
#include <set>

#include "models/pixelbert/collator.h"
#include "models/pixelbert/initialise.h"
#include "train/learner.h"

namespace tessera {

enum class BackboneTraining : uint8_t {
  // By the statistics of a micro-batch's pictures of one size, towards which the running ones move, size after size.
  // How a step is cut into micro-batches then shows in the result, as it does everywhere with batch normalisation.
  batch_statistics,
  // Weights are trained, normalisation is by the running statistics, which stay as they are.
  running_statistics,
  frozen,  // nothing is trained; no gradient is taken of it
};

struct PixelBertOptions {
  PixelBertConfig model;
  PixelBertInit init;
  uint64_t seed = 0;  // of the initial weights
  BackboneTraining backbone = BackboneTraining::batch_statistics;
  double backbone_rate = 1;  // factor on the learning rate of the network's parameters
  double mlm_weight = 1, itm_weight = 1;
  bool checkpoint_blocks = false;  // as of ForwardContext
  DType dtype = DType::f32;        // f64 for gradient checks
  Device device = {};
};

// "loss = 1 · mlm (mean over masked tokens) + …"
std::string pixelbert_loss_equation(double mlm_weight, double itm_weight);

class PixelBertPretraining {
 public:
  using Batch = PixelBertBatch;

  explicit PixelBertPretraining(const PixelBertOptions& options);

  PixelBert& model() { return model_; }
  const PixelBert& model() const { return model_; }
  ParameterSet& parameters() { return parameters_; }
  const PixelBertOptions& options() const { return options_; }
  FigureTable figure_table() const { return {{"mlm", "masked"}, {"itm", "pairs"}}; }
  // Decays as `default_group`.
  ParameterGroup group(const std::string& name, const Variable& parameter) const;
  std::set<std::string> trained() const;
  std::vector<int64_t> divisors(const Batch& batch) const { return {batch.masked(), batch.pairs()}; }
  Losses losses(const Batch& batch, std::span<const int64_t> divisors, TicketSource& tickets) const;
  std::string samples(std::span<const Batch> step) const;

 private:
  Variable cells_of(const Tensor& pictures) const;

  PixelBertOptions options_;
  PixelBert model_;
  ParameterSet parameters_;
};

}  // namespace tessera
