#include "vilt/ask/questions.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "autograd/finite.h"
#include "autograd/tape.h"

namespace tessera {
namespace {

constexpr int64_t kMaxSequences = 64;  // enough for the matrix products, small enough for the cache

int64_t tokens_of(const Question& question) {
  int64_t tokens = 0;
  for (const auto& image : question.images)
    tokens += static_cast<int64_t>(question.ids.size()) + 1 + int64_t{image->rows} * image->columns;
  return tokens;
}

// How many questions from `first` on make a batch.
size_t batch_size(std::span<const Question> questions, size_t first, int64_t max_tokens) {
  int64_t sequences = 0, tokens = 0;
  size_t count = 0;
  while (first + count < questions.size()) {
    const Question& next = questions[first + count];
    sequences += static_cast<int64_t>(next.images.size());
    tokens += tokens_of(next);
    if (count > 0 && (sequences > kMaxSequences || tokens > max_tokens)) break;
    ++count;
  }
  return count;
}

PackedBatch pack(const ModelConfig& config, std::span<const Question> questions) {
  BatchBuilder builder(config.patch_values(), config.table_side());
  std::map<const PatchedImage*, int> added;
  for (const Question& question : questions) {
    int64_t modality = 0;
    for (const auto& image : question.images) {
      const auto [entry, is_new] = added.try_emplace(image.get(), 0);
      if (is_new) entry->second = builder.add_image(*image);
      builder.add_sequence(question.ids, entry->second, {}, ++modality);
    }
  }
  return builder.finish();
}

void check_images(std::span<const Question> questions, size_t expected, const char* what) {
  for (const Question& question : questions)
    check(question.images.size() == expected, what, ": a question with ", question.images.size(), " images, expected ",
          expected);
}

// The values [n, width] that a head gives for the [CLS] rows of every batch, one row after the other.
template <class Head>
std::vector<float> head_values(const ViltWithHeads& model, std::span<const Question> questions, const char* what,
                               const ForwardContext& context, const Head& head) {
  std::vector<float> out;
  const auto append = [&](const PackedBatch& batch, const Variable& hidden, size_t) {
    std::vector<int64_t> rows;
    for (const SequenceLayout& sequence : batch.sequences) rows.push_back(sequence.begin);
    const Tensor values = head(hidden, Tensor::from(rows)).value().to(DType::f32).to(Device{});
    check(all_finite(values), what, ": the model's output is not finite; are the weights damaged?");
    const auto part = values.template to_vector<float>();
    out.insert(out.end(), part.begin(), part.end());
  };
  for_each_batch(model, questions, append, context);
  return out;
}

// Indices of the `top` largest values, largest first; of equal ones the first.
std::vector<int64_t> largest(std::span<const float> values, int64_t top) {
  std::vector<int64_t> order(values.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  const int64_t count = std::min(top, static_cast<int64_t>(order.size()));
  std::partial_sort(order.begin(), order.begin() + count, order.end(), [&](int64_t a, int64_t b) {
    const float va = values[static_cast<size_t>(a)], vb = values[static_cast<size_t>(b)];
    return va != vb ? va > vb : a < b;
  });
  order.resize(static_cast<size_t>(count));
  return order;
}

double log_sum_exp(std::span<const float> logits) {
  const auto most = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
  double total = 0;
  for (const float logit : logits) total += std::exp(static_cast<double>(logit) - most);
  return most + std::log(total);
}

std::vector<WordPrediction> most_probable(std::span<const float> logits, int64_t top) {
  const double total = log_sum_exp(logits);
  std::vector<WordPrediction> out;
  for (const int64_t id : largest(logits, top)) {
    const auto logit = static_cast<double>(logits[static_cast<size_t>(id)]);
    out.push_back({id, std::exp(logit - total), logit});
  }
  return out;
}

}  // namespace

void for_each_batch(const ViltWithHeads& model, std::span<const Question> questions, const BatchBody& body,
                    const ForwardContext& context, Observations* observations, int64_t max_tokens) {
  const NoGrad guard;
  for (size_t first = 0, count = 0; first < questions.size(); first += count) {
    count = batch_size(questions, first, max_tokens);
    const PackedBatch batch = pack(model.vilt.config, questions.subspan(first, count));
    if (observations) observations->attention.clear();
    body(batch, model.vilt(batch, context, observations), first);
  }
}

std::vector<std::vector<LabelScore>> classify(const ViltWithHeads& model, std::span<const Question> questions,
                                              int64_t top, const ForwardContext& context) {
  const ModelConfig& config = model.vilt.config;
  check_images(questions, static_cast<size_t>(config.num_images), "classifier");
  const std::vector<float> values =
      head_values(model, questions, "classifier", context,
                  [&](const Variable& hidden, const Tensor& rows) { return model.class_logits(hidden, rows); });
  const auto width = static_cast<size_t>(config.num_labels());
  std::vector<std::vector<LabelScore>> out(questions.size());
  for (size_t q = 0; q < questions.size(); ++q) {
    const auto logits = std::span(values).subspan(q * width, width);
    const double total = log_sum_exp(logits);
    for (const int64_t label : largest(logits, top > 0 ? top : config.num_labels())) {
      const auto logit = static_cast<double>(logits[static_cast<size_t>(label)]);
      out[q].push_back({label, logit, config.num_images == 1 ? 1 / (1 + std::exp(-logit)) : std::exp(logit - total)});
    }
  }
  return out;
}

namespace {

// [questions, 2]; the second: text and image belong together.
std::vector<float> matching_logits(const ViltWithHeads& model, std::span<const Question> questions,
                                   const ForwardContext& context) {
  check_images(questions, 1, "itm_score");
  return head_values(model, questions, "itm_score", context,
                     [&](const Variable& hidden, const Tensor& rows) { return model.matching_logits(hidden, rows); });
}

}  // namespace

std::vector<double> match_scores(const ViltWithHeads& model, std::span<const Question> questions,
                                 const ForwardContext& context) {
  const std::vector<float> logits = matching_logits(model, questions, context);
  std::vector<double> scores;
  for (size_t i = 0; i < logits.size(); i += 2)
    scores.push_back(static_cast<double>(logits[i + 1]) - static_cast<double>(logits[i]));
  return scores;
}

std::vector<double> rank_scores(const ViltWithHeads& model, std::span<const Question> questions,
                                const ForwardContext& context) {
  if (!model.rank) {
    const std::vector<float> logits = matching_logits(model, questions, context);
    std::vector<double> scores;
    for (size_t i = 1; i < logits.size(); i += 2) scores.push_back(static_cast<double>(logits[i]));
    return scores;
  }
  check_images(questions, 1, "rank_output");
  const std::vector<float> scores =
      head_values(model, questions, "rank_output", context,
                  [&](const Variable& hidden, const Tensor& rows) { return model.rank_scores(hidden, rows); });
  return {scores.begin(), scores.end()};
}

std::vector<std::vector<std::vector<WordPrediction>>> predict_words(const ViltWithHeads& model,
                                                                    std::span<const Question> questions,
                                                                    const std::vector<std::vector<int64_t>>& positions,
                                                                    int64_t top, const ForwardContext& context) {
  check(questions.size() == positions.size(), "predict_words: ", questions.size(), " pairs, positions for ",
        positions.size());
  check_images(questions, 1, "mlm_score");
  std::vector<std::vector<std::vector<WordPrediction>>> out(questions.size());
  const auto predict = [&](const PackedBatch& batch, const Variable& hidden, size_t first) {
    std::vector<int64_t> rows;
    for (size_t i = 0; i < batch.sequences.size(); ++i)
      for (const int64_t position : positions[first + i]) {
        check(position >= 0 && position < batch.sequences[i].text_length, "predict_words: no position ", position);
        rows.push_back(batch.sequences[i].begin + position);
      }
    if (rows.empty()) return;
    const Tensor logits =
        model.masked_word_logits(hidden, Tensor::from(rows)).value().to(DType::f32).to(Device{}).contiguous();
    check(all_finite(logits), "mlm_score: the model's output is not finite; are the weights damaged?");
    const float* row = logits.data<float>();
    const auto width = static_cast<size_t>(logits.size(1));
    for (size_t i = 0; i < batch.sequences.size(); ++i)
      for (size_t k = 0; k < positions[first + i].size(); ++k, row += width)
        out[first + i].push_back(most_probable({row, width}, top));
  };
  for_each_batch(model, questions, predict, context);
  return out;
}

}  // namespace tessera
