// Where the words of a caption look in its image.
#pragma once

#include <memory>
#include <vector>

#include "vilt/ask/questions.h"

namespace tessera {

// Where the words of one pair look: rows are the words without [CLS] and [SEP], columns the patches.
struct WordMaps {
  int64_t words = 0, patches = 0;
  std::vector<std::vector<float>> attention;  // [layers], each [words, patches]: mean over heads
  std::vector<float> cost;                    // [words, patches]: 1 - cosine after the final LayerNorm
  std::vector<float> plan, plan_training;  // optimal transport, beta 0.1 × 1,000 iterations and the training setting
};

struct PlanSettings {
  double beta = 0.1;
  int64_t iterations = 1000;
  double training_beta = 0.5;
  int64_t training_iterations = 50;
};

// Of each image of each question. `context` says how the model computes (its activations).
std::vector<WordMaps> word_maps(const ViltWithHeads& model, const std::vector<Question>& pairs,
                                const PlanSettings& settings = {}, const ForwardContext& context = {});

// Where the words of one text look in one of its pictures, head by head; rows and columns as above.
struct HeadMaps {
  int64_t layers = 0, heads = 0, words = 0, patches = 0;
  std::vector<float> attention;  // [layers, heads, words, patches]
  std::vector<float> cost;       // [words, patches], as above

  // Of a layer from 0; head -1: the mean over heads.
  std::vector<float> attention_of(int64_t layer, int64_t head) const;
  // The optimal transport of the cost; errors are those of ops::ipot.
  std::vector<float> plan(double beta, int64_t iterations) const;
};

// One for each image of the question, whose text must have a word.
std::vector<HeadMaps> head_maps(const ViltWithHeads& model, const Question& question,
                                const ForwardContext& context = {});

// One word's map: the rows of its pieces added up. `map` is [words, patches]; `tokens` are places in the sequence,
// where [CLS] is 0, so that token 1 is row 0.
std::vector<float> word_map(const std::vector<float>& map, int64_t patches, std::span<const int64_t> tokens);

// Where a whole text looks: the attention of the last layer, summed over its words, [patches]. Flat without layers.
std::vector<float> text_map(const WordMaps& maps);

// Entropy of a word's row, divided by log(patches): 1 is uniform, 0 a single patch. One patch gives 0.
double normalised_entropy(std::span<const float> weights);

}  // namespace tessera
