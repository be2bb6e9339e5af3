#include "bench/bench_model.h"

#include <map>

#include "nn/init.h"
#include "tensor/parallel.h"
#include "tensor/philox.h"

namespace tessera::bench {
namespace {

const std::map<std::string, ModelSize> kModels{
    {"b32", {768, 12, 12, 30522, 32, 40, 10, 20, 12}}, {"small", {256, 6, 4, 4000, 32, 16, 7, 7, 7}},
    {"tiny", {128, 4, 4, 1000, 16, 16, 6, 6, 6}},      {"scenes", {64, 4, 4, 60, 16, 9, 5, 5, 5}},
    {"mini", {16, 1, 2, 40, 4, 5, 2, 2, 2}},
};

void add_noise_images(const ModelSize& size, int count, bool levels, BatchBuilder& builder) {
  const Grid grid{static_cast<int>(size.grid_rows), static_cast<int>(size.grid_columns)};
  builder.reserve_patches(count * size.patches());
  std::vector<PatchedImage> images(levels ? 0 : static_cast<size_t>(count));
  parallel_chunks(static_cast<int64_t>(images.size()), [&](int64_t i) {
    images[static_cast<size_t>(i)] = noise_image(size, grid, static_cast<uint64_t>(i));
  });
  for (const PatchedImage& image : images) builder.add_image(image);
  Random random(2);
  for (int i = 0; levels && i < count; ++i)
    builder.add_levels(grid, [&](std::span<uint8_t> values) {
      for (uint8_t& value : values) value = static_cast<uint8_t>(random.next());
    });
}

std::vector<int64_t> first_integers(int64_t count) {
  std::vector<int64_t> out(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) out[static_cast<size_t>(i)] = i;
  return out;
}

}  // namespace

const ModelSize& model_size(const std::string& name) { return kModels.at(name); }

ModelConfig make_config(const ModelSize& size) {
  ModelConfig config;
  config.vocab_size = size.vocabulary;
  config.hidden_size = size.hidden;
  config.num_hidden_layers = size.layers;
  config.num_attention_heads = size.heads;
  config.intermediate_size = 4 * size.hidden;
  config.image_size = size.table_side * size.patch;
  config.patch_size = size.patch;
  config.max_position_embeddings = size.words;
  return config;
}

ViltWithHeads make_model(const ModelSize& size, double dropout) {
  ModelConfig config = make_config(size);
  config.hidden_dropout_prob = dropout;
  ViltWithHeads model(config);
  model.visit("", [](const std::string& name, Variable& parameter) {
    if (parameter.value().dim() > 1) init_normal_(parameter, name, 0, 0.02);
  });
  return model;
}

PatchedImage noise_image(const ModelSize& size, Grid grid, uint64_t number) {
  Random random(1, number);
  PatchedImage image{grid.rows, grid.columns, {}};
  image.patches.resize(static_cast<size_t>(int64_t{grid.rows} * grid.columns * 3 * size.patch * size.patch));
  for (float& value : image.patches) value = static_cast<float>(random.normal());
  return image;
}

PairLengths pair_lengths(const ModelSize& size, int batch, int b, bool ragged) {
  if (!ragged) return {size.words, size.patches()};
  const double u = (b + 0.5) / batch, v = ((7 * b) % batch + 0.5) / batch;
  const auto words = static_cast<int64_t>((0.2 + 0.29 * u) * static_cast<double>(size.words));
  return {std::max<int64_t>(4, words), static_cast<int64_t>((0.88 + 0.12 * v) * static_cast<double>(size.patches()))};
}

MadeBatch make_batch(const ModelSize& size, int batch, bool ragged, bool both_passes, bool levels) {
  Random random(1);
  MadeBatch out;
  BatchBuilder builder(3 * size.patch * size.patch, static_cast<int>(size.table_side),
                       levels ? std::optional(PixelNorm{}) : std::nullopt);
  add_noise_images(size, batch, levels, builder);
  std::vector<std::vector<int64_t>> texts, orders;
  for (int b = 0; b < batch; ++b) {
    const auto [length, patches] = pair_lengths(size, batch, b, ragged);
    std::vector<int64_t>& ids = texts.emplace_back();
    for (int64_t t = 0; t < length; ++t)
      ids.push_back(5 + static_cast<int64_t>(random.below(static_cast<uint64_t>(size.vocabulary - 5))));
    orders.push_back(first_integers(patches));
    out.tokens += length + 1 + patches;
  }
  for (int pass = 0; pass < (both_passes ? 2 : 1); ++pass)
    for (int b = 0; b < batch; ++b)
      builder.add_sequence(texts[static_cast<size_t>(b)], b, orders[static_cast<size_t>(b)]);

  out.batch.packed = builder.finish();
  ObjectiveTables& tables = out.batch.objectives;
  const int first_pair = both_passes ? batch : 0;
  std::vector<int64_t> masked_rows, masked_labels, pair_rows, pair_labels;
  for (int b = 0; b < batch; ++b) {
    const std::vector<int64_t>& ids = texts[static_cast<size_t>(b)];
    for (size_t t = 1; t < ids.size(); t += 7) {
      masked_rows.push_back(out.batch.packed.sequences[static_cast<size_t>(b)].begin + static_cast<int64_t>(t));
      masked_labels.push_back(ids[t]);
    }
    pair_rows.push_back(out.batch.packed.sequences[static_cast<size_t>(first_pair + b)].begin);
    pair_labels.push_back(1 - b % 2);
    out.batch.sample_ids.push_back(b);
  }
  tables.masked_rows = Tensor::from(masked_rows);
  tables.masked_labels = Tensor::from(masked_labels);
  tables.pair_rows = Tensor::from(pair_rows);
  tables.pair_labels = Tensor::from(pair_labels);
  fill_alignment_rows(out.batch.packed, first_pair, batch, tables);
  return out;
}

double step_flops(const ModelSize& size, int64_t batch, int64_t masked) {
  const auto d = static_cast<double>(size.hidden), patches = static_cast<double>(size.patches());
  const double tokens = static_cast<double>(size.words) + 1 + patches,
               patch_values = 3.0 * static_cast<double>(size.patch * size.patch);
  const double encoder = static_cast<double>(size.layers) * (24 * d * d * tokens + 4 * tokens * tokens * d);
  return static_cast<double>(batch) * (6 * encoder + 8 * patch_values * d * patches) +
         6 * static_cast<double>(masked) * (d * d + d * static_cast<double>(size.vocabulary));
}

}  // namespace tessera::bench
