// metrics.jsonl as a table for spreadsheets and data frames: CSV as RFC 4180 has it.
#pragma once

#include <filesystem>
#include <span>
#include <string>

namespace tessera {

// A row for each step that was logged, in the order of the steps; the columns are "step", the figures of training by
// their names and those of evaluations as "evaluation/NAME", in the order in which they were first logged. A figure
// that was not logged at a step, or is no number (NaN is null in metrics.jsonl), is an empty cell. Of a step that was
// logged twice, as by a resumed run, the later row counts. Several runs: first a column "run", by the folders' paths as
// they are given.
std::string metrics_csv(std::span<const std::filesystem::path> runs);

}  // namespace tessera
