// What ViLT is fine-tuned for: visual question answering, statements about pairs of pictures (NLVR2) and retrieval.
// Each task is a row of a table: its head, and its loss (ViLT, section 4.3 and the published code):
//
//   vqa        one picture and a question; the classifier over the answers of a table; several may be right to a degree
//   nlvr2      two pictures, each a sequence of its own with the same statement (the second one's modality is 2); the
//              classifier over both pooled outputs; class 1 is "True"
//   retrieval  a picture with its own caption and others; the head for retrieval orders them
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "train/figures.h"
#include "vilt/heads.h"
#include "vilt/input/batch.h"

namespace tessera {

// A micro-batch. The sequences of a sample stand side by side: two pictures, or the texts of a picture, its own first.
struct DownstreamBatch {
  PackedBatch packed;
  Tensor rows;     // i64 [sequences]: their [CLS]
  Tensor targets;  // vqa: f32 [samples, answers], how right each is; else undefined
  Tensor labels;   // nlvr2: i64 [samples]; else undefined
  int64_t samples = 0;
  std::vector<int64_t> sample_ids;  // for messages
};

struct DownstreamTask {
  const char* name;          // the setting train.task
  Term term;                 // its loss in figures and files
  const char* samples;       // what a batch is made of, for people
  const char* architecture;  // Hugging Face's class
  int64_t images;            // of a sample
  bool classifies;           // by the classifier, whose labels a table has; else by the head for retrieval
  // Sets the loss: a mean over the samples of the whole step, of which there are `samples`.
  void (*compute)(LossTerm& term, const ViltWithHeads& model, const Variable& hidden, const DownstreamBatch& batch,
                  int64_t samples);
};
std::span<const DownstreamTask> downstream_tasks();
// Null if it is none of them.
const DownstreamTask* downstream_task(std::string_view name);

// The task that a model was fine-tuned for, by its class; null if it is none of them.
const DownstreamTask* downstream_task_of(const ModelConfig& config);

// The model of a task on the backbone of `config`, with these labels where it classifies. The matching head, if there
// is one, stays beside that for retrieval, which begins as its row for "match".
ModelConfig downstream_config(const DownstreamTask& task, ModelConfig config, std::vector<std::string> labels);

// Everything is trained but the matching head, which retrieval keeps as it was.
bool is_trained_downstream(const std::string& parameter);

}  // namespace tessera
