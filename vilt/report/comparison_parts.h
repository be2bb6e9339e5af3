// The sections of the page that compares runs; vilt/report/comparison.cpp puts them together.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "report/charts.h"
#include "vilt/report/compared_runs.h"

namespace tessera {

using RunList = std::vector<const ComparedRun*>;

// Figures are compared within a task alone.
struct TaskRuns {
  std::string task;
  RunList runs;
};
std::vector<TaskRuns> by_task(std::span<const ComparedRun> runs);

// Finished runs that differ in their seed alone, and in what moves no number: where they lie and how they are told of.
// At least two different seeds.
std::vector<RunList> by_seed(const TaskRuns& task);

// The number of samples that a block of figures was measured on; of retrieval that of the pictures. Nothing: not told.
std::optional<double> samples_of(const NamedFigures& figures);

// Of `runs`, whose letters count from A: neighbours differ in colour and line, and no two of twelve in neither, since 3
// and 4 have no common divisor.
struct RunLine {
  int colour;
  Series::Line line;
};
RunLine line_of(const ComparedRun& run);

// "A seed-0, B seed-1 and C other".
std::string titles_of(const RunList& runs);

std::string compared_runs_html(std::span<const ComparedRun> runs);
std::string compared_figures_html(const std::vector<TaskRuns>& tasks);
std::string compared_curves_html(const std::vector<TaskRuns>& tasks);
std::string compared_settings_html(std::span<const ComparedRun> runs);

}  // namespace tessera
