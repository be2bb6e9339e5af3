#include "report/charts.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

namespace tessera::charts_test {

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

Series line(std::vector<double> x, std::vector<double> y) {
  Series series;
  series.name = "a < b";
  series.x = std::move(x);
  series.y = std::move(y);
  return series;
}

size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

}  // namespace

TEST_CASE("charts: ticks are round and inside") {
  CHECK(nice_ticks(0, 1, 5) == std::vector<double>{0, 0.2, 0.4, 0.6000000000000001, 0.8, 1});
  CHECK(nice_ticks(0, 5000, 5) == std::vector<double>{0, 1000, 2000, 3000, 4000, 5000});
  CHECK(nice_ticks(-0.42, 0.03, 4) == std::vector<double>{-0.4, -0.2, 0});
  CHECK(nice_ticks(3, 3, 5) == std::vector<double>{3});
  CHECK(nice_ticks(0, std::numeric_limits<double>::infinity(), 5).empty());
  for (const double high : {1e-9, 0.0021, 7.3, 12345.0, 4e12}) {
    const std::vector<double> ticks = nice_ticks(0, high, 5);
    CHECK(ticks.size() >= 3);  // steps are at most 2.5 times the asked one
    CHECK(ticks.size() <= 7);
    CHECK(ticks.back() <= high * (1 + 1e-8));
  }
}

TEST_CASE("charts: thinning takes the means of buckets") {
  Series series = line({1, 2, 3, 4, 5, 6}, {1, 3, kNan, 5, kNan, kNan});
  thin(series, 3);
  CHECK(series.x == std::vector<double>{2, 4, 6});
  CHECK(series.y[0] == 2);
  CHECK(series.y[1] == 5);
  CHECK(std::isnan(series.y[2]));
  Series few = line({1, 2}, {1, 3});
  thin(few, 3);
  CHECK(few.y == std::vector<double>{1, 3});
}

TEST_CASE("charts: the moving mean keeps straight lines straight until it may look back") {
  Series series = line({0, 1, 2, 3, 4, 5, 6, 7}, {0, 1, 2, 3, 4, 5, 6, 7});
  smooth(series, 3);
  CHECK(series.raw == std::vector<double>{0, 1, 2, 3, 4, 5, 6, 7});
  CHECK(series.y == std::vector<double>{0, 1, 2, 3, 4, 5, 6, 6.5});
}

TEST_CASE("charts: a chart holds axes, legend and values") {
  Chart chart;
  chart.title = "Loss & more";
  chart.series = {line({0, 10, 20}, {4, 2, 1}), line({0}, {kNan})};
  chart.reference = 0.5;
  chart.reference_name = "chance";
  const std::string html = chart_html(chart);
  CHECK(html.find("Loss &amp; more") != std::string::npos);
  CHECK(html.find("a &lt; b <b>1</b>") != std::string::npos);
  CHECK(html.find("chance <b>0.5</b>") != std::string::npos);
  CHECK(html.find("data-points=\"0,4 10,2 20,1\"") != std::string::npos);
  CHECK(count(html, "class=\"series") == 1);  // the one without a value is left out
  CHECK(html.find("nan") == std::string::npos);
}

TEST_CASE("charts: a line is interrupted where a value is missing") {
  Chart chart;
  chart.series = {line({0, 1, 2, 3, 4}, {1, 2, kNan, 2, 1})};
  const std::string html = chart_html(chart);
  const size_t begin = html.find("class=\"line\" d=\"") + 16;
  const std::string path = html.substr(begin, html.find('"', begin) - begin);
  CHECK(count(path, "M") == 2);
  CHECK(count(path, "L") == 2);
}

TEST_CASE("charts: no point, no chart; one point is a dot") {
  Chart chart;
  CHECK(chart_html(chart).empty());
  chart.series = {line({0}, {kNan})};
  CHECK(chart_html(chart).empty());
  chart.series = {line({5}, {0.3})};
  CHECK(count(chart_html(chart), "<circle") == 1);
  chart.series = {line({5, 6}, {0.3, std::numeric_limits<double>::infinity()})};
  CHECK(chart_html(chart).find("inf") == std::string::npos);
}

TEST_CASE("charts: shares are written in percent") {
  Chart chart;
  chart.unit = Chart::Unit::share;
  chart.series = {line({0, 1}, {0.25, 0.5})};
  chart.y_min = 0;
  chart.y_max = 1;
  const std::string html = chart_html(chart);
  CHECK(html.find(">100\u00a0%<") != std::string::npos);
  CHECK(html.find("<b>50.0\u00a0%</b>") != std::string::npos);
}

TEST_CASE("charts: tags stand at the ends of their lines, apart and inside the frame") {
  Chart chart;
  for (int i = 0; i < 12; ++i) {
    chart.series.push_back(line({0, 1, 2}, {1, 2, i < 11 ? 1.0 : kNan}));
    chart.series.back().tag = std::string(1, static_cast<char>('A' + i));
    chart.series.back().colour = 1 + i % 4;
  }
  chart.series.push_back(line({0, 1}, {0, 3}));
  const std::string html = chart_html(chart);
  CHECK(count(html, "<text class=\"tag c") == 12);  // a series without a tag has none
  CHECK(html.find(">A</text>") != std::string::npos);
  std::vector<double> x, y;
  for (size_t at = html.find("<text class=\"tag c"); at != std::string::npos;
       at = html.find("<text class=\"tag c", at + 1)) {
    x.push_back(std::stod(html.substr(html.find("x=\"", at) + 3)));
    y.push_back(std::stod(html.substr(html.find("y=\"", at) + 3)));
  }
  REQUIRE(y.size() == 12);
  for (size_t i = 0; i < y.size(); ++i) {
    CHECK(x[i] <= 352);  // 8 of 360 are left for the letter
    CHECK(y[i] >= 0);
    CHECK(y[i] <= 194);  // above the axis's labels
    for (size_t k = 0; k < i; ++k)
      if (std::abs(x[i] - x[k]) < 10) CHECK(std::abs(y[i] - y[k]) >= 9.98);  // places are rounded to 0.01
  }
}

}  // namespace tessera::charts_test
