// The curves of compared runs: a chart for each figure, a line for each run.
#include <algorithm>
#include <set>

#include "report/html.h"
#include "tensor/error.h"
#include "vilt/report/comparison_parts.h"
#include "vilt/report/figure_names.h"

namespace tessera {
namespace {

constexpr size_t kLinePoints = 200;  // for each of up to twelve lines
constexpr size_t kMeanWindow = 11;   // of the moving mean, in points

using LogPart = std::vector<MetricRow> MetricLog::*;

// All figures that the runs have logged, the loss that is minimised first.
std::vector<std::string> figures_of(const TaskRuns& task, LogPart rows) {
  std::set<std::string> names;
  for (const ComparedRun* run : task.runs)
    for (const MetricRow& row : run->log.*rows)
      for (const auto& [name, value] : row.figures) names.insert(name);
  std::vector<std::string> out(names.begin(), names.end());
  std::stable_partition(out.begin(), out.end(), [](const std::string& name) { return name == "loss"; });
  return out;
}

Series series_of(const ComparedRun& run, LogPart rows, const std::string& figure) {
  const RunLine line = line_of(run);
  Series series = metric_series(run.log.*rows, figure, run.title(), line.colour);
  series.line = line.line;
  series.tag = run.letter;
  if (rows == &MetricLog::evaluations) {
    series.markers = series.x.size() <= 40;
  } else {
    thin(series, kLinePoints);
    if (series.x.size() >= 2 * kMeanWindow && figure != "learning_rate") smooth(series, kMeanWindow);
    series.raw.clear();  // the points of twelve runs would hide their lines
  }
  return series;
}

std::string chart_of(const TaskRuns& task, LogPart rows, const std::string& figure, double last) {
  Chart chart;
  chart.title = figure_title(figure);
  const FigureTraits traits = figure_traits(figure);
  if (traits.better != FigureTraits::Better::neither)
    chart.note = traits.better == FigureTraits::Better::higher ? "Higher is better." : "Lower is better.";
  if (traits.unit == FigureTraits::Unit::share) chart.unit = Chart::Unit::share;
  for (const ComparedRun* run : task.runs) chart.series.push_back(series_of(*run, rows, figure));
  chart.x_min = 0;
  chart.x_max = last;
  return chart_html(chart);
}

template <class Wanted>
std::string charts_of(const TaskRuns& task, LogPart rows, const char* title, double last, Wanted&& wanted) {
  std::string out;
  for (const std::string& figure : figures_of(task, rows))
    if (wanted(figure)) out += chart_of(task, rows, figure, last);
  return out.empty() ? "" : text("<h3>", title, "</h3>\n<div class=\"charts\">\n", out, "</div>\n");
}

std::string task_curves(const TaskRuns& task, const std::string& of) {
  double last = 1;
  for (const ComparedRun* run : task.runs)
    for (const LogPart rows : {&MetricLog::training, &MetricLog::evaluations})
      if (!(run->log.*rows).empty()) last = std::max(last, (run->log.*rows).back().step);
  const auto is_loss = [](const std::string& name) { return name.ends_with("loss"); };
  return charts_of(task, &MetricLog::training, ("Losses of training" + of).c_str(), last, is_loss) +
         charts_of(task, &MetricLog::evaluations, ("Validation" + of).c_str(), last,
                   [](const std::string& name) {
                     if (name == "pointing_chance") return false;  // of the data, not of a model
                     return figure_traits(name).unit != FigureTraits::Unit::count || name.ends_with("rank");
                   }) +
         charts_of(task, &MetricLog::training, ("The rest of training" + of).c_str(), last,
                   [&](const std::string& name) { return !is_loss(name) && name != "seconds" && name != "step"; });
}

}  // namespace

std::string compared_curves_html(const std::vector<TaskRuns>& tasks) {
  std::string out;
  for (const TaskRuns& task : tasks) out += task_curves(task, tasks.size() > 1 ? ", " + escape_html(task.task) : "");
  if (out.empty()) return "<p>The runs have logged no figures.</p>\n";
  return "<p class=\"note\">Against the number of updates. What is logged in training is drawn as a moving mean. A "
         "letter "
         "stands where a run's line ends; the legends give the last values; point at a chart to read others.</p>\n" +
         out;
}

}  // namespace tessera
