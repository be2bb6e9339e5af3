// The curves of the report.
#include <algorithm>
#include <utility>

#include "report/charts.h"
#include "vilt/report/report_metrics.h"
#include "vilt/report/report_parts.h"
#include "vilt/tasks/pretraining.h"

namespace tessera {
namespace {

constexpr size_t kPoints = 300;  // more cannot be told apart in a chart
constexpr size_t kWindow = 11;   // of the moving mean, in points

class Curves {
 public:
  explicit Curves(const MetricLog& log) : log_(log) {}

  // What was logged during training is noisy: a mean over neighbouring points, the points themselves faintly.
  Series training(const std::string& figure, const char* name, int colour) const {
    Series series = metric_series(log_.training, figure, name, colour);
    thin(series, kPoints);
    if (series.x.size() >= 2 * kWindow) smooth(series, kWindow);
    return series;
  }

  Series plain(const char* figure, const char* name, int colour) const {
    Series series = metric_series(log_.training, figure, name, colour);
    thin(series, kPoints);
    return series;
  }

  Series validation(const char* figure, const char* name, int colour, Series::Line line = Series::Line::solid) const {
    Series series = metric_series(log_.evaluations, figure, name, colour);
    series.line = line;
    series.markers = series.x.size() <= 40;
    return series;
  }

 private:
  const MetricLog& log_;
};

Chart shares(const char* title, const char* note, std::vector<Series> series) {
  Chart chart;
  chart.title = title;
  chart.note = note;
  chart.unit = Chart::Unit::share;
  chart.series = std::move(series);
  chart.y_min = 0;
  chart.y_max = 1.03;
  return chart;
}

Chart numbers(const char* title, const char* note, std::vector<Series> series) {
  Chart chart;
  chart.title = title;
  chart.note = note;
  chart.series = std::move(series);
  return chart;
}

std::vector<Chart> all_charts(const Curves& curves, const ReportInputs& inputs) {
  using Line = Series::Line;
  std::vector<Chart> charts;
  charts.push_back(numbers("Loss", "The weighted sum that is minimised.", {curves.training("loss", "training", 1)}));
  charts.push_back(
      numbers("Its two cross-entropies", "Masked words, and caption against picture; 0 is certainty.",
              {curves.training("mlm_loss", "masked words", 1), curves.training("itm_loss", "matching", 2)}));
  int colour = 3;
  for (const Objective& objective : all_objectives())
    if (objective.title != nullptr && is_logged(objective, objective_options(inputs.settings)))
      charts.push_back(numbers(objective.title, objective.note,
                               {curves.training(objective.term.name + "_loss", "training", std::exchange(colour, 2))}));
  charts.push_back(shares("Matching accuracy", "Does the caption belong to the picture?",
                          {curves.training("itm_accuracy", "training", 1),
                           curves.validation("itm_accuracy_random", "validation, random picture", 3),
                           curves.validation("itm_accuracy_hard", "validation, sibling picture", 2)}));
  charts.back().reference = 0.5;
  charts.back().reference_name = "chance";
  charts.back().y_min = 0.4;
  charts.push_back(shares(
      "Masked-word accuracy", "Training: masked pieces. Validation: content words, one at a time.",
      {curves.training("mlm_accuracy", "training", 1), curves.validation("mlm_accuracy_content", "validation", 3),
       curves.validation("mlm_accuracy_wrong_image", "validation, wrong picture", 4, Line::dashed)}));
  charts.push_back(shares("Pointing at the named object", "Validation: is the patch of largest weight inside its box?",
                          {curves.validation("pointing_attention", "attention, last layer", 1),
                           curves.validation("pointing_own_over_other", "own object above the other", 3),
                           curves.validation("pointing_plan", "plan", 2, Line::dashed),
                           curves.validation("pointing_plan_training", "plan, training setting", 4, Line::dashed)}));
  if (const Evaluation* test = summary_block(inputs.summary, "test"); test && test->pointing_chance) {
    charts.back().reference = *test->pointing_chance;
    charts.back().reference_name = "chance";
  }
  charts.push_back(numbers("Learning rate", "", {curves.plain("learning_rate", "rate", 1)}));
  charts.push_back(numbers("Gradient norm", "Before clipping.", {curves.training("grad_norm", "training", 4)}));
  charts.push_back(numbers("Speed", "Pairs per second on the machine that trained.",
                           {curves.training("samples_per_second", "pairs per second", 3)}));
  return charts;
}

}  // namespace

std::string curves_html(const ReportInputs& inputs) {
  const MetricLog log = read_metrics(inputs.metrics);
  const Curves curves(log);
  std::string charts;
  double last = 1;
  for (const auto* rows : {&log.training, &log.evaluations})
    if (!rows->empty()) last = std::max(last, rows->back().step);
  for (Chart& chart : all_charts(curves, inputs)) {
    chart.x_min = 0;
    chart.x_max = last;
    charts += chart_html(chart);
  }
  if (charts.empty()) return "<p>The run has logged no figures.</p>\n";
  return "<p class=\"note\">Against the number of updates. Training figures: the line is a moving mean, the logged "
         "points are "
         "faint. The legends give the last values; point at a chart to read others.</p>\n<div class=\"charts\">\n" +
         charts + "</div>\n";
}

}  // namespace tessera
