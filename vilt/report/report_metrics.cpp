#include "vilt/report/report_metrics.h"

#include <string_view>

#include "io/files.h"
#include "vilt/report/metric_line.h"

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

void add_line(MetricLog& log, std::string_view text) {
  const auto line = parse_metric_line(text);
  if (!line) return;
  const auto at = static_cast<double>(line->step);
  // An evaluation and a training row of one step belong to the same pass over it.
  drop_from(log.training, line->evaluates ? at + 0.5 : at);
  drop_from(log.evaluations, line->evaluates ? at : at + 0.5);
  if (line->evaluates)
    log.evaluations.push_back(row_of(at, line->object.at("evaluation")));
  else
    log.training.push_back(row_of(at, line->object));
}

}  // namespace

MetricLog read_metrics(const std::filesystem::path& path) {
  MetricLog log;
  if (!std::filesystem::exists(path)) return log;
  const std::vector<uint8_t> bytes = read_file(path);
  std::string_view rest(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    add_line(log, rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
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
