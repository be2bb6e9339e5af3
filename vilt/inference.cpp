#include "vilt/inference.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>

#include "autograd/functions.h"
#include "autograd/tape.h"
#include "tensor/ops/ipot.h"

namespace tessera {
namespace {

constexpr size_t kBatch = 64;  // pairs: enough for the matrix products, small enough for the cache

PackedBatch pack(const ViltWithHeads& model, std::span<const TextImage> pairs) {
  const ModelConfig& config = model.vilt.config;
  BatchBuilder builder(config.patch_values(), config.table_side());
  std::map<const PatchedImage*, int> added;
  for (const TextImage& pair : pairs) {
    const auto [entry, is_new] = added.try_emplace(pair.image.get(), 0);
    if (is_new) entry->second = builder.add_image(*pair.image);
    builder.add_sequence(pair.ids, entry->second);
  }
  return builder.finish();
}

// Calls body(batch, hidden, first pair) for every batch of pairs.
void run(const ViltWithHeads& model, const std::vector<TextImage>& pairs, Observations* observations,
         const std::function<void(const PackedBatch&, const Variable&, size_t)>& body) {
  const NoGrad guard;
  for (size_t first = 0; first < pairs.size(); first += kBatch) {
    const auto part = std::span(pairs).subspan(first, std::min(kBatch, pairs.size() - first));
    const PackedBatch batch = pack(model, part);
    if (observations) observations->attention.clear();
    body(batch, model.vilt(batch, BlockContext{}, observations), first);
  }
}

std::vector<WordPrediction> most_probable(std::span<const float> logits, int top) {
  std::vector<int64_t> order(logits.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  const auto count = std::min<size_t>(static_cast<size_t>(top), order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<ptrdiff_t>(count), order.end(), [&](int64_t a, int64_t b) {
    const float la = logits[static_cast<size_t>(a)], lb = logits[static_cast<size_t>(b)];
    return la != lb ? la > lb : a < b;
  });
  const float largest = logits[static_cast<size_t>(order[0])];
  double total = 0;
  for (const float logit : logits) total += std::exp(static_cast<double>(logit - largest));
  std::vector<WordPrediction> out;
  for (size_t k = 0; k < count; ++k)
    out.push_back({order[k], std::exp(static_cast<double>(logits[static_cast<size_t>(order[k])] - largest)) / total});
  return out;
}

}  // namespace

std::vector<double> match_scores(const ViltWithHeads& model, const std::vector<TextImage>& pairs) {
  std::vector<double> scores;
  run(model, pairs, nullptr, [&](const PackedBatch& batch, const Variable& hidden, size_t) {
    std::vector<int64_t> rows;
    for (const SequenceLayout& sequence : batch.sequences) rows.push_back(sequence.begin);
    const auto logits = model.matching_logits(hidden, Tensor::from(rows)).value().to_vector<float>();
    for (size_t i = 0; i < rows.size(); ++i)
      scores.push_back(static_cast<double>(logits[2 * i + 1]) - static_cast<double>(logits[2 * i]));
  });
  return scores;
}

std::vector<std::vector<std::vector<WordPrediction>>> predict_words(const ViltWithHeads& model,
                                                                    const std::vector<TextImage>& pairs,
                                                                    const std::vector<std::vector<int64_t>>& positions,
                                                                    int top) {
  check(pairs.size() == positions.size(), "predict_words: ", pairs.size(), " pairs, positions for ", positions.size());
  std::vector<std::vector<std::vector<WordPrediction>>> out(pairs.size());
  run(model, pairs, nullptr, [&](const PackedBatch& batch, const Variable& hidden, size_t first) {
    std::vector<int64_t> rows;
    for (size_t i = 0; i < batch.sequences.size(); ++i)
      for (const int64_t position : positions[first + i]) {
        check(position >= 0 && position < batch.sequences[i].text_length, "predict_words: no position ", position);
        rows.push_back(batch.sequences[i].begin + position);
      }
    if (rows.empty()) return;
    const Tensor logits = model.masked_word_logits(hidden, Tensor::from(rows)).value().contiguous();
    const float* row = logits.data<float>();
    const auto width = static_cast<size_t>(logits.size(1));
    for (size_t i = 0; i < batch.sequences.size(); ++i)
      for (size_t k = 0; k < positions[first + i].size(); ++k, row += width)
        out[first + i].push_back(most_probable({row, width}, top));
  });
  return out;
}

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

void append_maps(const PackedBatch& batch, const Variable& hidden, const Observations& seen, const PlanSettings& settings,
                 std::vector<WordMaps>& out) {
  ObjectiveTables tables;
  fill_alignment_rows(batch, 0, static_cast<int>(batch.sequences.size()), tables);
  const Variable words = gather_rows({hidden}, tables.word_rows), patches = gather_rows({hidden}, tables.patch_rows);
  const Tensor cost = cosine_cost(words, patches, tables.cu_words, tables.cu_patches).value();
  const auto transport = [&](double beta, int64_t iterations) {
    return ops::ipot(cost, tables.cu_words, tables.cu_patches, beta, iterations);
  };
  const Tensor plan = transport(settings.beta, settings.iterations);
  const Tensor plan_training = transport(settings.training_beta, settings.training_iterations);
  int64_t cell = 0, square = 0;
  for (const SequenceLayout& sequence : batch.sequences) {
    WordMaps maps;
    maps.words = sequence.text_length - 2;
    maps.patches = sequence.patches;
    const int64_t cells = maps.words * maps.patches;
    maps.cost = slice(cost, cell, cells);
    maps.plan = slice(plan, cell, cells);
    maps.plan_training = slice(plan_training, cell, cells);
    for (const Tensor& layer : seen.attention)
      maps.attention.push_back(word_to_patch(layer.data<float>() + square, sequence));
    cell += cells;
    square += sequence.length() * sequence.length();
    out.push_back(std::move(maps));
  }
}

}  // namespace

std::vector<WordMaps> word_maps(const ViltWithHeads& model, const std::vector<TextImage>& pairs,
                                const PlanSettings& settings) {
  std::vector<WordMaps> out;
  Observations observations;
  observations.keep_attention = true;
  run(model, pairs, &observations, [&](const PackedBatch& batch, const Variable& hidden, size_t) {
    append_maps(batch, hidden, observations, settings, out);
  });
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
