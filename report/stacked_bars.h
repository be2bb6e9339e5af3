// Bars of several pieces as HTML: a title, a legend and an SVG with a line of text and a bar for each row. Complete
// without scripts.
#pragma once

#include <string>
#include <vector>

namespace tessera {

struct StackedSeries {
  std::string name;
  int colour = 1;              // 1 to 4: the page's chart colours
  std::vector<double> values;  // of each row, from 0 on
};

struct StackedBars {
  std::string title, note;            // the note stands below the title, in small print
  std::vector<std::string> rows;      // what stands above each bar, at its left ...
  std::vector<std::string> ends;      // ... and at its right; empty, or as many
  std::vector<StackedSeries> series;  // with as many values as there are rows
  bool shares = false;                // every bar is as long as the others: pieces are shares of their sum
  std::string unit;                   // behind a value, where the pointer rests on a piece: "ms"
};

// <figure class="chart">…</figure>; empty when all values are 0. Values that are below 0 or not finite, and numbers of
// them that differ, are errors.
std::string stacked_bars_html(const StackedBars& chart);

}  // namespace tessera
