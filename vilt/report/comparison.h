// One HTML page that compares several runs, of any task, and needs nothing else, no network either: what to take care
// of, their final figures with the best marked, mean and range of runs that differ in their seed alone, curves over
// steps, and the settings in which they differ.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vilt/report/compared_runs.h"

namespace tessera {

// In the head of every such page and of no other: by this a page is known again.
inline constexpr std::string_view kComparisonMark = R"(<meta name="generator" content="Tessera, compared runs" />)";

// What has to be known before figures are compared, a sentence each, plain text: runs of several tasks, of other data,
// of other numbers of steps, unfinished ones, damaged files. Text of files may be in it: escaped for a terminal.
std::vector<std::string> comparison_remarks(std::span<const ComparedRun> runs);

// `command` is what makes the page again.
std::string comparison_html(std::span<const ComparedRun> runs, const std::string& command);

// The report of a run of another system than ViLT: its figures, curves and settings.
std::string system_report_html(const ComparedRun& run, const std::string& command);

}  // namespace tessera
