// metrics.jsonl: what the trainer logged, row by row.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "report/charts.h"
#include "vilt/report/metric_line.h"

namespace tessera {

struct MetricRow {
  double step = 0;
  std::map<std::string, double> figures;  // only those that are numbers
};

struct MetricLog {
  std::vector<MetricRow> training, evaluations;  // steps ascend
  LeftOutLines left_out;
};

// Rows that are no JSON objects with a step (the last one of a killed run may be cut off) are skipped. A resumed run
// goes back to its checkpoint: of steps that were logged twice the later row counts. No file gives an empty log.
MetricLog read_metrics(const std::filesystem::path& path);

// One figure of the rows that have it.
Series metric_series(const std::vector<MetricRow>& rows, const std::string& figure, const std::string& name,
                     int colour);

}  // namespace tessera
