#include "vilt/report/report_metrics.h"

namespace tessera {
namespace {

MetricRow row_of(double step, const nlohmann::ordered_json& object) {
  MetricRow row{step, {}};
  for (const auto& [name, value] : object.items())
    if (value.is_number()) row.figures[name] = value.get<double>();
  return row;
}

void drop_from(std::vector<MetricRow>& rows, double step) {
  while (!rows.empty() && rows.back().step >= step) rows.pop_back();
}

void add_line(MetricLog& log, const MetricLine& line) {
  const auto at = static_cast<double>(line.step);
  // An evaluation and a training row of one step belong to the same pass over it.
  drop_from(log.training, line.evaluates ? at + 0.5 : at);
  drop_from(log.evaluations, line.evaluates ? at : at + 0.5);
  if (line.evaluates)
    log.evaluations.push_back(row_of(at, line.object.at("evaluation")));
  else
    log.training.push_back(row_of(at, line.object));
}

}  // namespace

MetricLog read_metrics(const std::filesystem::path& path) {
  MetricLog log;
  if (!std::filesystem::exists(path)) return log;
  log.left_out = for_each_metric_line(path, [&](MetricLine&& line) { add_line(log, line); });
  return log;
}

Series metric_series(const std::vector<MetricRow>& rows, const std::string& figure, const std::string& name,
                     int colour) {
  Series series;
  series.name = name;
  series.colour = colour;
  for (const MetricRow& row : rows) {
    const auto found = row.figures.find(figure);
    if (found == row.figures.end()) continue;
    series.x.push_back(row.step);
    series.y.push_back(found->second);
  }
  return series;
}

}  // namespace tessera
