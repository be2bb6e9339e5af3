#include "report/stacked_bars.h"

#include <doctest/doctest.h>

#include <limits>

#include "tensor/error.h"

namespace tessera::stacked_bars_test {
namespace {

size_t occurrences(const std::string& page, const std::string& part) {
  size_t found = 0;
  for (size_t at = page.find(part); at != std::string::npos; at = page.find(part, at + 1)) ++found;
  return found;
}

StackedBars two_rows() {
  StackedBars chart;
  chart.title = "a < b";
  chart.rows = {"x & y", "z"};
  chart.ends = {"8", "4"};
  chart.series = {{"first", 1, {6, 1}}, {"second", 2, {2, 3}}};
  chart.unit = " ms";
  return chart;
}

}  // namespace

TEST_CASE("stacked bars: the longest fills the width, pieces follow each other") {
  const std::string html = stacked_bars_html(two_rows());
  CHECK(html.find("a &lt; b") != html.npos);
  CHECK(html.find(">x &amp; y</text>") != html.npos);
  CHECK(html.find("<title>second: 3 ms</title>") != html.npos);
  // Of 8 units 360 wide: 6 and 2, then 1 and 3.
  CHECK(html.find("<rect x=\"0\" y=\"18\" width=\"270\"") != html.npos);
  CHECK(html.find("<rect x=\"270\" y=\"18\" width=\"90\"") != html.npos);
  CHECK(html.find("<rect x=\"0\" y=\"60\" width=\"45\"") != html.npos);
  CHECK(html.find("<rect x=\"45\" y=\"60\" width=\"135\"") != html.npos);
}

TEST_CASE("stacked bars: as shares every bar fills the width") {
  StackedBars chart = two_rows();
  chart.shares = true;
  const std::string html = stacked_bars_html(chart);
  CHECK(html.find("<rect x=\"270\" y=\"18\" width=\"90\"") != html.npos);
  CHECK(html.find("<rect x=\"90\" y=\"60\" width=\"270\"") != html.npos);
}

TEST_CASE("stacked bars: nothing is drawn of 0, and what is there is seen inside the picture") {
  StackedBars chart = two_rows();
  chart.series[0].values = {1e6, 0};
  chart.series[1].values = {1, 0};
  const std::string html = stacked_bars_html(chart);
  CHECK(occurrences(html, "<rect ") == 2);
  CHECK(html.find("<rect x=\"359\" y=\"18\" width=\"1\"") != html.npos);
  for (StackedSeries& series : chart.series) series.values = {0, 0};
  CHECK(stacked_bars_html(chart).empty());
  CHECK(stacked_bars_html({}).empty());
}

TEST_CASE("stacked bars: errors") {
  StackedBars chart = two_rows();
  chart.ends.pop_back();
  CHECK_THROWS_WITH(stacked_bars_html(chart), "bars of 'a < b': 1 ends, expected 2");
  chart = two_rows();
  chart.series[1].values.pop_back();
  CHECK_THROWS_WITH(stacked_bars_html(chart), "bars of 'second': 1 values, expected 2");
  for (const double bad : {-1.0, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
    chart = two_rows();
    chart.series[0].values[1] = bad;
    CHECK_THROWS_AS(stacked_bars_html(chart), Error);
  }
}

}  // namespace tessera::stacked_bars_test
