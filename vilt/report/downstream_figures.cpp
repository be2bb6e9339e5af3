// Curves and final figures of a fine-tuned run.
#include <algorithm>

#include "report/html.h"
#include "vilt/report/downstream_report.h"
#include "vilt/report/figure_names.h"
#include "vilt/report/report_metrics.h"

namespace tessera {
namespace {

struct Block {
  const char* name;
  const char* title;
};
constexpr Block kBlocks[] = {
    {"test", "test"}, {"test_unseen", "test, unseen"}, {"text_alone", "text alone"}, {"untrained", "untrained"}};

Series logged(const std::vector<MetricRow>& rows, const std::string& figure, const std::string& name, int colour,
              bool markers) {
  Series series = metric_series(rows, figure, name, colour);
  thin(series, 300);
  if (!markers && series.x.size() >= 22) smooth(series, 11);
  series.markers = markers && series.x.size() <= 40;
  return series;
}

}  // namespace

std::string downstream_curves_html(const DownstreamReportInputs& inputs) {
  const MetricLog log = read_metrics(inputs.metrics);
  std::vector<Chart> charts;
  const auto chart = [&](const char* title, const char* note, std::vector<Series> series) -> Chart& {
    Chart& out = charts.emplace_back();
    out.title = title;
    out.note = note;
    out.series = std::move(series);
    return out;
  };
  chart("Loss", "What is minimised.", {logged(log.training, "loss", "training", 1, false)});
  Chart& shares = chart("Validation", "Shares, on the validation part.", {});
  shares.unit = Chart::Unit::share;
  shares.y_min = 0;
  shares.y_max = 1.03;
  if (!log.evaluations.empty()) {
    int colour = 1;
    for (const auto& [name, value] : log.evaluations.back().figures)
      if (!is_count(name) && name.find("rank") == std::string::npos && colour <= 4)
        shares.series.push_back(logged(log.evaluations, name, name, colour++, true));
  }
  chart("Learning rate", "", {metric_series(log.training, "learning_rate", "rate", 1)});
  chart("Gradient norm", "Before clipping.", {logged(log.training, "grad_norm", "training", 4, false)});
  chart("Speed", "Samples per second on the machine that trained.",
        {logged(log.training, "samples_per_second", "samples per second", 3, false)});
  double last = 1;
  for (const auto* rows : {&log.training, &log.evaluations})
    if (!rows->empty()) last = std::max(last, rows->back().step);
  std::string out;
  for (Chart& one : charts) {
    one.x_min = 0;
    one.x_max = last;
    out += chart_html(one);
  }
  if (out.empty()) return "<p>The run has logged no figures.</p>\n";
  return "<p class=\"note\">Against the number of updates. Training figures: the line is a moving mean, the logged "
         "points are faint. Point at a chart to read others than the last values.</p>\n<div class=\"charts\">\n" +
         out + "</div>\n";
}

std::string downstream_figures_html(const Summary& summary) {
  std::vector<std::string> names;
  std::string head = "<th scope=\"col\"></th>";
  std::vector<std::pair<const char*, const NamedFigures*>> columns;
  for (const Block& block : kBlocks) {
    const auto found = summary.figures.find(block.name);
    if (found == summary.figures.end()) continue;
    columns.emplace_back(block.title, &found->second);
    head += text("<th scope=\"col\">", block.title, "</th>");
    for (const auto& [name, value] : found->second)
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  if (columns.empty()) return "";
  std::string rows;
  for (const std::string& name : names) {
    std::string title = name;
    std::replace(title.begin(), title.end(), '_', ' ');
    rows += "<tr><th scope=\"row\">" + escape_html(title) + "</th>";
    for (const auto& [block, figures] : columns) {
      const auto found =
          std::find_if(figures->begin(), figures->end(), [&](const auto& one) { return one.first == name; });
      rows += text("<td data-label=\"", block, "\"", block == kBlocks[0].title ? " class=\"result\"" : "", ">",
                   found == figures->end() ? "–" : figure_text(name, found->second), "</td>");
    }
    rows += "</tr>";
  }
  std::string note = "Untrained: the model as it began.";
  const auto explain = [&](bool there, const char* words) {
    if (there) note += words;
  };
  const auto has = [&](const char* name) { return std::find(names.begin(), names.end(), name) != names.end(); };
  explain(summary.figures.contains("text_alone"),
          " Text alone: the answer that training gave most often to the same text, without a picture.");
  explain(has("other_picture") || has("other_pictures"), " Other picture: the same texts with the pictures of others.");
  explain(has("one_picture"), " One picture: the left one twice.");
  return "<p class=\"note\">" + note + "</p>\n<table class=\"figures\"><thead><tr>" + head + "</tr></thead><tbody>" +
         rows + "</tbody></table>\n";
}

}  // namespace tessera
