#include "report/stacked_bars.h"

#include <algorithm>
#include <cmath>

#include "report/html.h"
#include "tensor/error.h"

namespace tessera {
namespace {

// In units of the SVG, about one to the pixel on a phone (as in charts.cpp).
constexpr double kStackWidth = 360, kStackBar = 12, kTextLine = 18, kRowsApart = 12;

std::string coordinate(double value) { return short_number(std::round(value * 100) / 100, 6); }

double sum_of_row(const StackedBars& chart, size_t row) {
  double sum = 0;
  for (const StackedSeries& series : chart.series) sum += series.values[row];
  return sum;
}

void check_stack(const StackedBars& chart) {
  check(chart.ends.empty() || chart.ends.size() == chart.rows.size(), "bars of '", chart.title,
        "': ", chart.ends.size(), " ends, expected ", chart.rows.size());
  for (const StackedSeries& series : chart.series) {
    check(series.values.size() == chart.rows.size(), "bars of '", series.name, "': ", series.values.size(),
          " values, expected ", chart.rows.size());
    for (const double value : series.values)
      check(std::isfinite(value) && value >= 0, "bars of '", series.name, "': ", value,
            ", expected a number from 0 on");
  }
}

// A piece that is there is seen, however short. The next begins where it ends by its value.
std::string stack_svg(const StackedBars& chart, size_t row, double y, double full) {
  std::string out;
  double begin = 0;
  for (const StackedSeries& series : chart.series) {
    const double value = series.values[row], width = value / full * kStackWidth;
    if (value > 0)
      out +=
          text("<g class=\"c", series.colour, "\"><rect x=\"", coordinate(std::min(begin, kStackWidth - 1)), "\" y=\"",
               coordinate(y), "\" width=\"", coordinate(std::max(width, 1.0)), "\" height=\"", kStackBar, "\"><title>",
               escape_html(series.name), ": ", short_number(value), escape_html(chart.unit), "</title></rect></g>");
    begin += width;
  }
  return out;
}

}  // namespace

std::string stacked_bars_html(const StackedBars& chart) {
  check_stack(chart);
  double most = 0;
  for (size_t row = 0; row < chart.rows.size(); ++row) most = std::max(most, sum_of_row(chart, row));
  if (most == 0) return "";
  const std::string title = escape_html(chart.title);
  std::string out = "<figure class=\"chart\"><figcaption><h3>" + title + "</h3>";
  if (!chart.note.empty()) out += "<p class=\"note\">" + escape_html(chart.note) + "</p>";
  out += "<ul class=\"legend\">";
  for (const StackedSeries& series : chart.series)
    out += text("<li class=\"c", series.colour,
                "\"><svg class=\"key\" viewBox=\"0 0 18 8\" aria-hidden=\"true\"><path d=\"M1 4H17\"/></svg>",
                escape_html(series.name), "</li>");
  const double each = kTextLine + kStackBar + kRowsApart;
  out += text("</ul></figcaption><svg class=\"plot bars\" viewBox=\"0 0 ", kStackWidth, ' ',
              coordinate(each * static_cast<double>(chart.rows.size())), "\" role=\"img\" aria-label=\"", title, "\">");
  for (size_t row = 0; row < chart.rows.size(); ++row) {
    const double y = each * static_cast<double>(row), sum = sum_of_row(chart, row);
    out += text("<g class=\"ticks\"><text x=\"0\" y=\"", coordinate(y + 13), "\">", escape_html(chart.rows[row]),
                "</text>");
    if (!chart.ends.empty())
      out += text("<text x=\"", kStackWidth, "\" y=\"", coordinate(y + 13), "\" text-anchor=\"end\">",
                  escape_html(chart.ends[row]), "</text>");
    out += "</g>";
    if (sum > 0) out += stack_svg(chart, row, y + kTextLine, chart.shares ? sum : most);
  }
  return out + "</svg></figure>\n";
}

}  // namespace tessera
