// A Pixel-BERT of a few thousand parameters on the scenes of the tests.
#pragma once

#include "models/pixelbert/pretraining.h"
#include "tests/tiny_scenes.h"

namespace tessera::tests {

inline PixelBertOptions tiny_pixelbert() {
  PixelBertOptions options;
  options.model.bert = {.vocab_size = static_cast<int64_t>(tiny_scenes().vocabulary().tokens().size()),
                        .hidden_size = 16,
                        .num_hidden_layers = 1,
                        .num_attention_heads = 2,
                        .intermediate_size = 24,
                        .max_position_embeddings = 40,
                        .hidden_dropout_prob = 0,
                        .attention_probs_dropout_prob = 0};
  options.model.cnn = {
      .bottleneck = false, .layers = {1, 1}, .widths = {4, 8}, .stem_kernel = 5, .stem_stride = 4, .stem_pool = false};
  options.model.position_rows = options.model.position_columns = 6;
  options.init = {.fan_in = true, .cosine_positions = true};
  options.seed = 3;
  return options;
}

inline PixelBertBatches tiny_pixelbert_batches() {
  PixelBertBatches options;
  options.batch_size = 8;
  options.seed = 5;
  options.sampled_cells = 10;
  options.masking.rate = 0.4;
  return options;
}

// A data set and what makes batches of it.
struct PixelBertBench {
  Dataset dataset;
  SampleSource source;
  Quarantine quarantine{100, [](const std::string&) {}};
  Sampler sampler;
  PixelBertCollator collator;

  explicit PixelBertBench(const PixelBertBatches& batches = tiny_pixelbert_batches(),
                          const PixelBertConfig& config = tiny_pixelbert().model,
                          Dataset set = tiny_scenes().open("train"))
      : dataset(std::move(set)),
        source(dataset, tiny_scenes().vocabulary(), samples()),
        sampler(source.captions(), {.batch_size = batches.batch_size, .seed = batches.seed}),
        collator(source, sampler, config, batches, quarantine) {}

  static SampleOptions samples() {
    SampleOptions options;
    options.resize = false;
    options.patch = 1;
    return options;
  }
};

}  // namespace tessera::tests
