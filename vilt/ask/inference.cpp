#include "vilt/ask/inference.h"

#include <cmath>

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

std::vector<float> word_map(const std::vector<float>& map, int64_t patches, std::span<const int64_t> tokens) {
  std::vector<float> out(static_cast<size_t>(patches), 0.0f);
  for (const int64_t token : tokens)
    for (int64_t p = 0; p < patches; ++p)
      out[static_cast<size_t>(p)] += map[static_cast<size_t>((token - 1) * patches + p)];
  return out;
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
