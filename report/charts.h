// Line charts as HTML: a title, a legend that holds the last values, and an SVG with axes. Complete without scripts;
// the page's script (vilt/report/report_assets.cpp) lets the legend follow the pointer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tessera {

struct Series {
  enum class Line : uint8_t { solid, dashed, dotted };
  std::string name;
  int colour = 1;            // 1 to 4: the page's chart colours; 0: muted
  std::vector<double> x, y;  // as many of each, x ascending; points that are not finite are left out
  Line line = Line::solid;
  bool markers = false;     // a dot at every point: few, exact measurements
  std::vector<double> raw;  // of the same x, if not empty: what `y` was smoothed from, drawn faintly
  std::string tag;          // a letter or two at the line's end, for who cannot tell colours apart
};

struct Chart {
  enum class Unit : uint8_t { number, share };  // shares are written in percent
  std::string title, note;                      // the note stands below the title, in small print
  Unit unit = Unit::number;
  std::vector<Series> series;
  std::optional<double> reference;  // a horizontal line, such as what chance gives
  std::string reference_name;
  std::optional<double> x_min, x_max, y_min, y_max;  // otherwise from the points
};

// Round numbers (1, 2 or 5 times a power of ten apart) inside [low, high], about `count` of them. low = high
// gives that number alone.
std::vector<double> nice_ticks(double low, double high, int count);

// Means of buckets of neighbouring points, so that at most `most` are left.
void thin(Series& series, size_t most);

// The centred moving mean over `window` points (fewer at the ends); the values before become `raw`.
void smooth(Series& series, size_t window);

// A short piece of a series' line, for texts that speak of it; it takes its colour from an element of class "cN"
// around.
std::string line_key(Series::Line line);

// <figure class="chart">…</figure>; empty when no series has a point.
std::string chart_html(const Chart& chart);

}  // namespace tessera
