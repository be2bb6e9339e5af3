// Runs that are compared, as far as their folders tell: settings.toml, metrics.jsonl, the newest checkpoint's state
// and, of a finished run, summary.json. Data sets and weights are not opened.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "vilt/report/report_metrics.h"
#include "vilt/tasks/settings.h"
#include "vilt/tasks/summary.h"

namespace tessera {

inline constexpr size_t kMostComparedRuns = 12;  // 4 colours by 3 kinds of lines

struct ComparedRun {
  std::string letter;            // "A", by which charts and tables name it
  std::string name;              // the folder's, or its path where several folders have the same name
  std::filesystem::path folder;  // as it was given
  std::string task;              // pretraining, vqa …, or the system's kind where it is another than ViLT
  bool other_system = false;
  TrainSettings train;
  ListedSettings settings;
  MetricLog log;
  std::optional<Summary> summary;           // there is one at the end of a run
  std::map<std::string, std::string> data;  // by what its training data are known again; empty: nothing tells it
  int64_t step = 0;                         // updates made, as far as the files tell

  std::string title() const { return letter + " " + name; }
  // Figures are compared within one: a task of ViLT's, or the captions and pictures that all other systems are asked
  // of.
  std::string group() const { return other_system ? "other systems" : task; }
  bool finished() const { return summary.has_value(); }
  // The final figures, block by block ("test", then controls), in the order in which they are shown.
  std::vector<std::pair<std::string, NamedFigures>> blocks() const;
};

// Whether the run's settings name another system than ViLT.
bool is_of_other_system(const std::filesystem::path& run);

// Error: there is no folder, or one that holds no run.
void check_is_run(const std::filesystem::path& folder);

// In the order given. Errors: fewer than two, more than kMostComparedRuns, the same folder twice, a folder that is no
// run, a file of it that cannot be read.
std::vector<ComparedRun> read_compared_runs(std::span<const std::filesystem::path> folders);
// One, for a page of its own; its letter is A.
ComparedRun read_single_run(const std::filesystem::path& folder);

}  // namespace tessera
