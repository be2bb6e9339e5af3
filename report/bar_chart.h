// Bars beside one another as HTML: a title, a legend and an SVG with a row of bars for each bin, their values written
// beside them. Complete without scripts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tessera {

struct BarSeries {
  std::string name;
  int colour = 1;               // 1 to 4: the page's chart colours
  std::vector<int64_t> counts;  // of each bin; their bars are shares of the sum
};

struct BarChart {
  std::string title, note;  // the note stands below the title, in small print
  std::string axis;         // what the bins are of
  std::vector<std::string> bins;
  std::vector<BarSeries> series;  // with as many counts as there are bins
};

// <figure class="chart">…</figure>; empty when there is nothing to count.
std::string bar_chart_html(const BarChart& chart);

}  // namespace tessera
