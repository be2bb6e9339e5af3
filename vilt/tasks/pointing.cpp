// Whether words look at what they name: attention and transport plans against the annotated boxes.
#include <algorithm>
#include <cmath>

#include "vilt/tasks/evaluation_parts.h"

namespace tessera {
namespace {

double mean_inside(const std::vector<float>& weights, const std::vector<bool>& box) {
  double sum = 0, count = 0;
  for (size_t p = 0; p < weights.size(); ++p) {
    sum += box[p] ? static_cast<double>(weights[p]) : 0;
    count += box[p];
  }
  return sum / count;
}

struct PointingMeans {
  Mean attention, own_over_other, plan, plan_training, chance, plan_entropy, plan_training_entropy, attention_entropy;
  std::vector<Mean> layers;
};

void point(const SampleSource& source, int64_t sentence, int64_t image, const WordMaps& maps, PointingMeans& means) {
  const Annotation* shown = image == source.image_of(sentence) ? source.dataset().annotation(sentence)
                                                               : first_annotation(source.dataset(), image);
  if (!shown || !shown->objects) return;
  const int patch = source.options().patch;
  const auto resized = source.resized(image);
  const Grid grid{resized->image.height / patch, resized->image.width / patch};
  std::vector<std::vector<bool>> boxes;
  for (const AnnotatedObject& object : *shown->objects)
    boxes.push_back(patches_in_box(resize_box(object.box, resized->original_height, resized->original_width,
                                              resized->image.height, resized->image.width),
                                   grid, patch));
  const auto any = [](const std::vector<bool>& box) { return std::find(box.begin(), box.end(), true) != box.end(); };
  for (size_t o = 0; o < boxes.size(); ++o) {
    const std::vector<int64_t> tokens = head_noun(source, sentence, static_cast<int64_t>(o));
    if (tokens.empty() || !any(boxes[o])) continue;
    means.layers.resize(maps.attention.size());
    std::vector<float> attention;
    for (size_t layer = 0; layer < maps.attention.size(); ++layer) {
      attention = word_map(maps.attention[layer], maps.patches, tokens);
      means.layers[layer].add(pointing_hit(attention, boxes[o]));
    }
    const std::vector<float> plan = word_map(maps.plan, maps.patches, tokens);
    const std::vector<float> plan_training = word_map(maps.plan_training, maps.patches, tokens);
    means.plan.add(pointing_hit(plan, boxes[o]));
    means.plan_training.add(pointing_hit(plan_training, boxes[o]));
    means.plan_entropy.add(normalised_entropy(plan));
    means.plan_training_entropy.add(normalised_entropy(plan_training));
    means.chance.add(static_cast<double>(std::count(boxes[o].begin(), boxes[o].end(), true)) /
                     static_cast<double>(boxes[o].size()));
    if (attention.empty()) continue;
    means.attention.add(pointing_hit(attention, boxes[o]));
    means.attention_entropy.add(normalised_entropy(attention));
    std::vector<bool> others(boxes[o].size(), false);
    for (size_t k = 0; k < boxes.size(); ++k)
      for (size_t p = 0; k != o && p < others.size(); ++p) others[p] = others[p] || boxes[k][p];
    if (!any(others)) continue;
    const double own = mean_inside(attention, boxes[o]), other = mean_inside(attention, others);
    means.own_over_other.add(std::abs(own - other) < 1e-9 ? 0.5 : own > other);
  }
}

}  // namespace

void evaluate_pointing(const ViltWithHeads& model, const SampleSource& source, const std::vector<int64_t>& sentences,
                       const std::vector<int64_t>& images, const EvaluationOptions& options, Evaluation& out) {
  PointingMeans means;
  PlanSettings plan = options.plan;
  if (!options.controls) plan.iterations = 1;
  for (size_t first = 0; first < sentences.size(); first += kSlice) {
    ImagePool pool(source);
    std::vector<Question> pairs;
    const size_t last = std::min(first + kSlice, sentences.size());
    for (size_t i = first; i < last; ++i) pairs.push_back({source.text(sentences[i]).ids, {pool.get(images[i])}});
    const std::vector<WordMaps> maps = word_maps(model, pairs, plan, options.context);
    for (size_t i = first; i < last; ++i) point(source, sentences[i], images[i], maps[i - first], means);
    tell(options, "pointing", last, sentences.size());
  }
  out.pointed_words = means.plan.count();
  out.pointing_attention = means.attention.value();
  out.pointing_own_over_other = means.own_over_other.value();
  out.pointing_chance = means.chance.value();
  out.attention_entropy = means.attention_entropy.value();
  for (const Mean& layer : means.layers) out.pointing_attention_by_layer.push_back(layer.value().value_or(0));
  if (!options.controls) return;
  out.pointing_plan = means.plan.value();
  out.pointing_plan_training = means.plan_training.value();
  out.plan_entropy = means.plan_entropy.value();
  out.plan_training_entropy = means.plan_training_entropy.value();
}

double pointing_hit(const std::vector<float>& weights, const std::vector<bool>& box) {
  const float largest = *std::max_element(weights.begin(), weights.end());
  double inside = 0, ties = 0;
  for (size_t p = 0; p < weights.size(); ++p) {
    if (weights[p] < largest - 1e-6f * std::abs(largest)) continue;
    ++ties;
    inside += box[p];
  }
  return inside / ties;
}

std::vector<bool> patches_in_box(const Box& box, Grid grid, int patch) {
  std::vector<bool> out;
  for (int row = 0; row < grid.rows; ++row) {
    for (int column = 0; column < grid.columns; ++column) {
      const double x = (column + 0.5) * patch, y = (row + 0.5) * patch;
      out.push_back(x >= box[0] && x < box[0] + box[2] && y >= box[1] && y < box[1] + box[3]);
    }
  }
  return out;
}

std::vector<int64_t> head_noun(const SampleSource& source, int64_t sentence, int64_t object) {
  const Annotation* annotation = source.dataset().annotation(sentence);
  if (!annotation || !annotation->content_words) return {};
  const ContentWord* noun = nullptr;
  for (const ContentWord& word : *annotation->content_words)
    if (word.object == object && (!noun || word.begin > noun->begin)) noun = &word;
  if (!noun) return {};
  const Encoding pieces = source.vocabulary().encode(source.dataset().sentences()[static_cast<size_t>(sentence)].text);
  const std::vector<int32_t> words =
      words_in_span(pieces, static_cast<size_t>(noun->begin), static_cast<size_t>(noun->end));
  std::vector<int64_t> tokens;
  const TextSample text = source.text(sentence);
  for (size_t t = 0; t < text.words.size(); ++t)
    if (text.words[t] >= 0 && std::find(words.begin(), words.end(), text.words[t]) != words.end())
      tokens.push_back(static_cast<int64_t>(t));
  return tokens;
}

}  // namespace tessera
