// Evaluations as JSON: `summary.json` of a run and the output of `vilt eval`.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "train/evaluation/task_summary.h"
#include "vilt/tasks/evaluation.h"

namespace tessera {

// The figures of pre-training by the names of summary.json; those by kind or layer as
// "itm_accuracy_hard_by_kind/colour" and "pointing_attention_by_layer/1". What was not measured is absent.
NamedFigures named_figures(const Evaluation& evaluation);

struct Summary : TaskSummary {
  // Of pre-training, whose task has no name: the blocks "test", "test_unseen", "untrained", "shuffled_caption".
  std::map<std::string, Evaluation> blocks;
};

// One JSON object; figures that were not measured are null.
std::string evaluation_json(const Evaluation& evaluation);
std::string summary_json(const Summary& summary);
// Reads what summary_json wrote; errors name the file.
Summary read_summary(const std::filesystem::path& path);

}  // namespace tessera
