#include "vilt/tasks/downstream.h"

#include <algorithm>

#include "autograd/functions.h"
#include "vilt/tasks/task_losses.h"

namespace tessera {
namespace {

// Several answers may be right: there is no hit to count.
void answer(LossTerm& term, const ViltWithHeads& model, const Variable& hidden, const DownstreamBatch& batch,
            int64_t samples) {
  const Variable logits = model.class_logits(hidden, batch.rows);
  term.loss = answer_loss(logits, batch.targets.to(logits.dtype()), samples);
}

void judge(LossTerm& term, const ViltWithHeads& model, const Variable& hidden, const DownstreamBatch& batch,
           int64_t samples) {
  term.logits = model.class_logits(hidden, batch.rows);
  term.labels = batch.labels;
  term.loss = class_loss(term.logits, term.labels, samples);
}

void order(LossTerm& term, const ViltWithHeads& model, const Variable& hidden, const DownstreamBatch& batch,
           int64_t samples) {
  const Variable scores = model.rank_scores(hidden, batch.rows);
  const int64_t texts = scores.size(0) / batch.samples;
  term.loss = rank_loss(scores, texts, samples);
  term.logits = reshape(scores, {batch.samples, texts});
  term.labels = Tensor::zeros({batch.samples}, DType::i64);
}

const DownstreamTask kTasks[] = {
    {"vqa", {"vqa", ""}, "questions", "ViltForQuestionAnswering", 1, true, answer},
    {"nlvr2", {"nlvr2", "statements"}, "statements", "ViltForImagesAndTextClassification", 2, true, judge},
    {"retrieval", {"rank", "images"}, "images", "ViltForImageAndTextRetrieval", 1, false, order},
};

}  // namespace

std::span<const DownstreamTask> downstream_tasks() { return kTasks; }

const DownstreamTask* downstream_task(std::string_view name) {
  const auto found =
      std::find_if(std::begin(kTasks), std::end(kTasks), [&](const DownstreamTask& task) { return task.name == name; });
  return found == std::end(kTasks) ? nullptr : found;
}

const DownstreamTask* downstream_task_of(const ModelConfig& config) {
  for (const DownstreamTask& task : kTasks)
    if (config.architecture == task.architecture && (task.classifies ? config.heads.classifier : config.heads.rank))
      return &task;
  return nullptr;
}

ModelConfig downstream_config(const DownstreamTask& task, ModelConfig config, std::vector<std::string> labels) {
  config.architecture = task.architecture;
  config.heads = {
      .matching = !task.classifies && config.heads.matching, .classifier = task.classifies, .rank = !task.classifies};
  config.num_images = task.images;
  config.labels = std::move(labels);
  config.modality_type_vocab_size = std::max(config.modality_type_vocab_size, 1 + task.images);
  return config;
}

bool is_trained_downstream(const std::string& parameter) { return !parameter.starts_with("itm_score."); }

}  // namespace tessera
