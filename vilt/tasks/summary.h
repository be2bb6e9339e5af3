// Evaluations as JSON: `summary.json` of a run and the output of `vilt eval`.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "vilt/tasks/evaluation.h"

namespace tessera {

struct RunFacts {
  double train_seconds = 0;
  int64_t steps = 0, parameters = 0;
};

// Figures of a downstream task by name, in the order in which they are shown; "questions", "statements", "images",
// "texts" and "pictures left out" are counts, ranks count from 1, everything else is a share.
using NamedFigures = std::vector<std::pair<std::string, double>>;
bool is_count(std::string_view figure);
// How many pictures could not be decoded, and are in none of the figures; absent where all could.
inline constexpr const char* kPicturesLeftOut = "pictures left out";

// The figures of pre-training by the names of summary.json; those by kind or layer as
// "itm_accuracy_hard_by_kind/colour" and "pointing_attention_by_layer/1". What was not measured is absent.
NamedFigures named_figures(const Evaluation& evaluation);

struct Summary : RunFacts {
  std::string task;  // of a downstream task its name; empty: pre-training
  // The blocks of summary.json by name: "test", "test_unseen", "untrained", "shuffled_caption", of pre-training ...
  std::map<std::string, Evaluation> blocks;
  // ... and of a downstream task "test", "untrained" and its controls.
  std::map<std::string, NamedFigures> figures;
};

// One JSON object; figures that were not measured are null.
std::string evaluation_json(const Evaluation& evaluation);
std::string figures_json(const NamedFigures& figures);
std::string summary_json(const Summary& summary);
// Reads what summary_json wrote; errors name the file.
Summary read_summary(const std::filesystem::path& path);

}  // namespace tessera
