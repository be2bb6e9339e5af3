// Questions to a model with heads, answered in batches without recording: a text with its image, or a statement about
// several. Each image is embedded once per batch however many texts it has; texts and images of any size share a batch,
// and an answer does not depend on what else is asked, beyond rounding.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "vilt/heads.h"

namespace tessera {

struct Question {
  std::vector<int64_t> ids;  // with [CLS] and [SEP]
  std::vector<std::shared_ptr<const PatchedImage>> images;
};

// Calls body(batch, hidden [tokens, hidden], first question) for one batch of questions after the other, in order. A
// question with n images is n sequences with the same text, image i with modality i + 1. Images that are the same
// object are embedded once per batch. A batch has at most 64 sequences and `max_tokens` tokens, or is a single
// question. `context`, here and below: how the model computes (its activations).
using BatchBody = std::function<void(const PackedBatch& batch, const Variable& hidden, size_t first)>;
void for_each_batch(const ViltWithHeads& model, std::span<const Question> questions, const BatchBody& body,
                    const ForwardContext& context = {}, Observations* observations = nullptr,
                    int64_t max_tokens = 8192);

struct LabelScore {
  int64_t label = 0;  // index into ModelConfig::labels
  double logit = 0, probability = 0;
};

// The `top` best labels of each question (0: all), best first. With one image several labels may be right (VQA), so
// that a probability is the logit's sigmoid; with several it is their softmax. Needs the classifier, and as many images
// as it looks at.
std::vector<std::vector<LabelScore>> classify(const ViltWithHeads& model, std::span<const Question> questions,
                                              int64_t top, const ForwardContext& context = {});

// logit(match) - logit(no match) of each question, by the matching head: above 0 means match; the probability is its
// sigmoid.
std::vector<double> match_scores(const ViltWithHeads& model, std::span<const Question> questions,
                                 const ForwardContext& context = {});

// How well text and image fit, higher is better: rank_output, or where the model has none, logit(match) of the matching
// head alone, which is how the published program ranks without fine-tuning.
std::vector<double> rank_scores(const ViltWithHeads& model, std::span<const Question> questions,
                                const ForwardContext& context = {});

struct WordPrediction {
  int64_t id = 0;
  double probability = 0;
  double logit = 0;
};

// For each question and each position in positions[question] (an index into its ids), the `top` most probable ids.
std::vector<std::vector<std::vector<WordPrediction>>> predict_words(const ViltWithHeads& model,
                                                                    std::span<const Question> questions,
                                                                    const std::vector<std::vector<int64_t>>& positions,
                                                                    int64_t top, const ForwardContext& context = {});

}  // namespace tessera
