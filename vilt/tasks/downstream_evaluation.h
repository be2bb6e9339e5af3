// What a fine-tuned model knows, by the protocol of its task, and controls.
//
//   vqa        accuracy (official, over the answers that people gave), also by their type; soft_score (of those
//              questions that the table can answer); other_picture: the accuracy with the picture of another question
//   nlvr2      accuracy and consistency; other_pictures and one_picture (the left one twice): accuracies without what
//              a statement is about
//   retrieval  vilt/tasks/retrieval_evaluation.h, of all pairs
//
// Samples with a picture that cannot be decoded are left out of all of them; "pictures left out" then says how many
// pictures.
#pragma once

#include <string>
#include <vector>

#include "data/usable_pictures.h"
#include "vilt/tasks/downstream_files.h"
#include "vilt/tasks/evaluation.h"
#include "vilt/tasks/retrieval_evaluation.h"
#include "vilt/tasks/summary.h"

namespace tessera {

struct DownstreamEvaluationOptions {
  int64_t limit = 0;      // samples, evenly spread; retrieval: pictures. 0: all
  bool controls = false;  // that take as long again
  ForwardContext context;
  std::function<void(const char* part, size_t done, size_t of)> progress = {};
  // vqa, nlvr2: is told the label that was chosen for each sample.
  std::function<void(int64_t sample, int64_t label)> answered = {};
  // retrieval: may change how it is ranked, and be told what was.
  std::function<void(RetrievalOptions& options)> ranking = {};
  // vqa, nlvr2: a label without the model, by the text alone (text_alone.h).
  std::function<int64_t(const std::string& text)> guess = {};
  // Of the source's pictures; null: one that cannot be decoded is an error.
  UsablePictures* usable = nullptr;
};

// `source` is of part.set(table, Unanswerable::keep).
NamedFigures evaluate_downstream(const DownstreamTask& task, const ViltWithHeads& model, const DownstreamSource& source,
                                 const DownstreamPart& part, const AnswerTable& table,
                                 const DownstreamEvaluationOptions& options);

// "accuracy 0.912, consistency 0.744": those that a line of a log has room for.
std::string figures_text(const NamedFigures& figures);

}  // namespace tessera
