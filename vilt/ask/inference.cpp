#include "vilt/ask/inference.h"

#include <cmath>
#include <numeric>

#include "autograd/functions.h"
#include "tensor/device.h"
#include "tensor/ops/ipot.h"
#include "vilt/objectives.h"

namespace tessera {
namespace {

// The part of a sequence's attention [length, length] whose rows are words and whose columns are patches.
std::vector<float> word_to_patch(const float* attention, const SequenceLayout& sequence) {
  std::vector<float> out;
  for (int64_t word = 1; word + 1 < sequence.text_length; ++word) {
    const float* row = attention + word * sequence.length() + sequence.text_length + 1;
    out.insert(out.end(), row, row + sequence.patches);
  }
  return out;
}

std::vector<float> slice(const Tensor& flat, int64_t begin, int64_t count) {
  const float* values = flat.data<float>() + begin;
  return {values, values + count};
}

void append_maps(const Vilt& model, const PackedBatch& batch, const Variable& hidden, const Observations& seen,
                 const PlanSettings& settings, std::vector<WordMaps>& out) {
  ObjectiveTables tables;
  fill_alignment_rows(batch, 0, static_cast<int>(batch.sequences.size()), tables);
  const Tensor cost = alignment_cost(model, hidden, tables).value();
  const auto transport = [&](double beta, int64_t iterations) {
    return ops::ipot(cost, tables.cu_words, tables.cu_patches, beta, iterations).to(Device{});
  };
  const Tensor plan = transport(settings.beta, settings.iterations);
  const Tensor plan_training = transport(settings.training_beta, settings.training_iterations);
  check_device_errors(model.device());
  const Tensor cost_here = cost.to(Device{});
  std::vector<Tensor> attention;
  for (const Tensor& layer : seen.attention) attention.push_back(layer.to(Device{}));
  int64_t cell = 0, square = 0;
  for (const SequenceLayout& sequence : batch.sequences) {
    WordMaps maps;
    maps.words = sequence.text_length - 2;
    maps.patches = sequence.patches;
    const int64_t cells = maps.words * maps.patches;
    maps.cost = slice(cost_here, cell, cells);
    maps.plan = slice(plan, cell, cells);
    maps.plan_training = slice(plan_training, cell, cells);
    for (const Tensor& layer : attention)
      maps.attention.push_back(word_to_patch(layer.data<float>() + square, sequence));
    cell += cells;
    square += sequence.length() * sequence.length();
    out.push_back(std::move(maps));
  }
}

}  // namespace

std::vector<WordMaps> word_maps(const ViltWithHeads& model, const std::vector<Question>& pairs,
                                const PlanSettings& settings, const ForwardContext& context) {
  std::vector<WordMaps> out;
  Observations observations;
  observations.keep_attention = true;
  const auto append = [&](const PackedBatch& batch, const Variable& hidden, size_t) {
    append_maps(model.vilt, batch, hidden, observations, settings, out);
  };
  for_each_batch(model, pairs, append, context, &observations);
  return out;
}

std::vector<float> HeadMaps::attention_of(int64_t layer, int64_t head) const {
  const int64_t cells = words * patches;
  std::vector<float> out(static_cast<size_t>(cells));
  const int64_t first = head < 0 ? 0 : head, count = head < 0 ? heads : 1;
  for (int64_t h = first; h < first + count; ++h) {
    const float* from = attention.data() + (layer * heads + h) * cells;
    for (int64_t i = 0; i < cells; ++i) out[static_cast<size_t>(i)] += from[i] / static_cast<float>(count);
  }
  return out;
}

std::vector<float> HeadMaps::plan(double beta, int64_t iterations) const {
  return ops::ipot(Tensor::from(cost), Tensor::from(std::vector<int64_t>{0, words}),
                   Tensor::from(std::vector<int64_t>{0, patches}), beta, iterations)
      .to_vector<float>();
}

std::vector<HeadMaps> head_maps(const ViltWithHeads& model, const Question& question, const ForwardContext& context) {
  const ModelConfig& config = model.vilt.config;
  const int64_t text_length = static_cast<int64_t>(question.ids.size()), words = text_length - 2;
  check(words > 0, "head_maps: the text has no words");
  std::vector<HeadMaps> out;
  for (const auto& image : question.images) {
    const int64_t patches = int64_t{image->rows} * image->columns;
    out.push_back({config.num_hidden_layers, config.num_attention_heads, words, patches, {}, {}});
  }
  Observations observations;
  observations.see_head = [&](int64_t, int64_t, const Tensor& attention) {
    const Tensor here = attention.to(Device{});
    int64_t square = 0;
    for (HeadMaps& maps : out) {
      const SequenceLayout sequence{0, text_length, 0, maps.patches, {}};
      const std::vector<float> part = word_to_patch(here.data<float>() + square, sequence);
      maps.attention.insert(maps.attention.end(), part.begin(), part.end());
      square += sequence.length() * sequence.length();
    }
  };
  const auto keep_cost = [&](const PackedBatch& batch, const Variable& hidden, size_t) {
    ObjectiveTables tables;
    fill_alignment_rows(batch, 0, static_cast<int>(batch.sequences.size()), tables);
    const Tensor cost = alignment_cost(model.vilt, hidden, tables).value().to(Device{});
    int64_t cell = 0;
    for (HeadMaps& maps : out) {
      maps.cost = slice(cost, cell, maps.words * maps.patches);
      cell += maps.words * maps.patches;
    }
  };
  for_each_batch(model, std::span(&question, 1), keep_cost, context, &observations);
  return out;
}

std::vector<float> word_map(const std::vector<float>& map, int64_t patches, std::span<const int64_t> tokens) {
  std::vector<float> out(static_cast<size_t>(patches), 0.0f);
  for (const int64_t token : tokens)
    for (int64_t p = 0; p < patches; ++p)
      out[static_cast<size_t>(p)] += map[static_cast<size_t>((token - 1) * patches + p)];
  return out;
}

std::vector<float> text_map(const WordMaps& maps) {
  if (maps.attention.empty()) return std::vector<float>(static_cast<size_t>(maps.patches), 1.0f);
  std::vector<int64_t> words(static_cast<size_t>(maps.words));
  std::iota(words.begin(), words.end(), 1);
  return word_map(maps.attention.back(), maps.patches, words);
}

double normalised_entropy(std::span<const float> weights) {
  if (weights.size() < 2) return 0;
  double total = 0, entropy = 0;
  for (const float w : weights) total += static_cast<double>(w);
  if (!(total > 0)) return 0;
  for (const float w : weights) {
    const double p = static_cast<double>(w) / total;
    if (p > 0) entropy -= p * std::log(p);
  }
  return entropy / std::log(static_cast<double>(weights.size()));
}

}  // namespace tessera
