// What a run's summary.json says of a task whose figures have names.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "train/evaluation/run_facts.h"

namespace tessera {

struct TaskSummary : RunFacts {
  std::string task;                             // of ViLT's pre-training empty
  std::map<std::string, NamedFigures> figures;  // "test", "untrained" and other controls
};

// One JSON object: task, the figures' blocks by name, and the facts.
std::string summary_json(const TaskSummary& summary);
// Reads what summary_json wrote; errors name the file.
TaskSummary read_task_summary(const std::filesystem::path& path);

// The first figures but counts in a line: "matching random 0.97, matching sibling 0.61, masked words 0.88".
std::string in_words(const NamedFigures& figures, size_t most = 4);

}  // namespace tessera
