#include "report/bar_chart.h"

#include <doctest/doctest.h>

#include "tensor/error.h"

namespace tessera::bar_chart_test {

namespace {

size_t count_of(const std::string& page, const std::string& part) {
  size_t found = 0;
  for (size_t at = page.find(part); at != std::string::npos; at = page.find(part, at + 1)) ++found;
  return found;
}

}  // namespace

TEST_CASE("bar chart: each bin has a bar of each series, the largest share fills the width") {
  BarChart chart;
  chart.title = "a < b";
  chart.axis = "rank";
  chart.bins = {"1", "2", "3–5"};
  chart.series = {{"x & y", 1, {1500, 500, 0}}, {"z", 2, {1, 0, 3}}};
  const std::string html = bar_chart_html(chart);
  CHECK(html.find("a &lt; b") != html.npos);
  CHECK(html.find("x &amp; y") != html.npos);
  CHECK(count_of(html, "<rect ") == 6);
  CHECK(count_of(html, ">3–5</text>") == 1);
  // Both largest shares are 75 %, of which the room is 360 - 62 - 104 units wide.
  CHECK(count_of(html, "width=\"194\"") == 2);
  CHECK(html.find("1,500 · 75.0") != html.npos);
  CHECK(html.find("3 · 75.0") != html.npos);
  CHECK(count_of(html, "width=\"0\"") == 2);
  CHECK(count_of(html, ">0</text>") == 2);
}

TEST_CASE("bar chart: a bar that is there is seen, whatever the largest is") {
  BarChart chart;
  chart.bins = {"1", "2"};
  chart.series = {{"x", 1, {1'000'000, 1}}};
  CHECK(count_of(bar_chart_html(chart), "width=\"1\"") == 1);
}

TEST_CASE("bar chart: nothing to count is no chart, and counts without bins are an error") {
  BarChart chart;
  CHECK(bar_chart_html(chart).empty());
  chart.bins = {"1"};
  chart.series = {{"x", 1, {0}}};
  CHECK(bar_chart_html(chart).empty());
  chart.series[0].counts = {1, 2};
  CHECK_THROWS_AS(bar_chart_html(chart), Error);
}

}  // namespace tessera::bar_chart_test
