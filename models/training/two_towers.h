// What systems of two towers share around their tasks: which pairs a step has, and how their vectors are measured.
#pragma once

#include <vector>

#include "models/parts/pair_draws.h"
#include "models/parts/vector_scores.h"
#include "models/training/settings.h"
#include "train/evaluation/caption_evaluation.h"

namespace tessera {

// As the settings say; `train` is needed for the weights of several data sets.
PairDrawOptions pair_draw_options(const SystemSettings& settings, const SampleSource& train);

// Similarities have no threshold of their own: pairs are compared with each other.
CaptionModel vector_model(const VectorsOf& texts, const VectorsOf& pictures, const VectorScore& score);

// Of a task with text_vectors(source, captions), picture_vectors(source, images) and score(picture, text, size).
template <class Task>
NamedFigures evaluate_vectors(const Task& task, const SampleSource& source, const CaptionEvaluation& options) {
  const CaptionModel model = vector_model([&](auto captions) { return task.text_vectors(source, captions); },
                                          [&](auto images) { return task.picture_vectors(source, images); },
                                          [&](auto... pair) { return task.score(pair...); });
  return evaluate_captions(source, model, options);
}

}  // namespace tessera
