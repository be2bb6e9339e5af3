// Evaluations as JSON: `summary.json` of a run and the output of `vilt eval`.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "vilt/tasks/evaluation.h"

namespace tessera {

// The blocks of summary.json by name: "test", "test_unseen", "untrained", "shuffled_caption".
struct Summary {
  std::map<std::string, Evaluation> blocks;
  double train_seconds = 0;
  int64_t steps = 0, parameters = 0;
};

// One JSON object; figures that were not measured are null.
std::string evaluation_json(const Evaluation& evaluation);
std::string summary_json(const Summary& summary);
// Reads what summary_json wrote; errors name the file.
Summary read_summary(const std::filesystem::path& path);

}  // namespace tessera
