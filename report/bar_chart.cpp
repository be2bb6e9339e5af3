#include "report/bar_chart.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "report/html.h"
#include "tensor/error.h"

namespace tessera {
namespace {

// In units of the SVG, about one to the pixel on a phone (as in charts.cpp).
constexpr double kBarsWidth = 360, kNames = 62, kValues = 104;
constexpr double kBar = 12, kApart = 2, kGroups = 10, kHead = 16;

std::string hundredths(double value) { return short_number(std::round(value * 100) / 100, 6); }

}  // namespace

std::string bar_chart_html(const BarChart& chart) {
  double most = 0;
  std::vector<double> sums;
  for (const BarSeries& series : chart.series) {
    check(series.counts.size() == chart.bins.size(), "bars of '", series.name, "': ", series.counts.size(),
          " counts, expected ", chart.bins.size());
    sums.push_back(static_cast<double>(std::accumulate(series.counts.begin(), series.counts.end(), int64_t{0})));
    for (const int64_t count : series.counts)
      most = std::max(most, sums.back() > 0 ? static_cast<double>(count) / sums.back() : 0);
  }
  if (most == 0) return "";
  const std::string title = escape_html(chart.title);
  std::string out = "<figure class=\"chart\"><figcaption><h3>" + title + "</h3>";
  if (!chart.note.empty()) out += "<p class=\"note\">" + escape_html(chart.note) + "</p>";
  out += "<ul class=\"legend\">";
  for (const BarSeries& series : chart.series)
    out += text("<li class=\"c", series.colour,
                "\"><svg class=\"key\" viewBox=\"0 0 18 8\" aria-hidden=\"true\"><path d=\"M1 4H17\"/></svg>",
                escape_html(series.name), "</li>");
  const double group = (kBar + kApart) * static_cast<double>(chart.series.size()) - kApart;
  const double height = kHead + (group + kGroups) * static_cast<double>(chart.bins.size());
  out += text("</ul></figcaption><svg class=\"plot bars\" viewBox=\"0 0 ", kBarsWidth, ' ', hundredths(height),
              "\" role=\"img\" aria-label=\"", title, "\"><g class=\"ticks\"><text x=\"", kNames - 8,
              "\" y=\"11\" text-anchor=\"end\">", escape_html(chart.axis), "</text></g>");
  double y = kHead;
  for (size_t bin = 0; bin < chart.bins.size(); ++bin, y += group + kGroups) {
    out += text("<g class=\"ticks\"><text x=\"", kNames - 8, "\" y=\"", hundredths(y + group / 2),
                "\" dy=\"0.32em\" text-anchor=\"end\">", escape_html(chart.bins[bin]), "</text></g>");
    for (size_t s = 0; s < chart.series.size(); ++s) {
      const int64_t count = chart.series[s].counts[bin];
      const double share = sums[s] > 0 ? static_cast<double>(count) / sums[s] : 0;
      const double top = y + static_cast<double>(s) * (kBar + kApart);
      const double width = std::max(count > 0 ? 1.0 : 0.0, share / most * (kBarsWidth - kNames - kValues));
      out += text("<g class=\"c", chart.series[s].colour, "\"><rect x=\"", kNames, "\" y=\"", hundredths(top),
                  "\" width=\"", hundredths(width), "\" height=\"", kBar, "\"/></g><g class=\"ticks\"><text x=\"",
                  hundredths(kNames + width + 5), "\" y=\"", hundredths(top + kBar / 2), "\" dy=\"0.32em\">",
                  count > 0 ? text(with_thousands(count), " · ", percent(share)) : "0", "</text></g>");
    }
  }
  out += text("<path class=\"axis\" d=\"M", kNames, ' ', kHead - 4, 'V', hundredths(height), "\"/></svg></figure>\n");
  return out;
}

}  // namespace tessera
