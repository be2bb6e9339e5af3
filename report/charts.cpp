#include "report/charts.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "report/html.h"
#include "tensor/error.h"

namespace tessera {
namespace {

// In units of the SVG, which the page shows at about one to the pixel, on a phone too: text keeps its size.
constexpr double kWidth = 360, kHeight = 220;
constexpr double kLeft = 46, kRight = 12, kTop = 10, kBottom = 26;

struct Scale {
  double low = 0, high = 1, from = 0, to = 1;
  double operator()(double value) const { return from + (value - low) / (high - low) * (to - from); }
};

struct Frame {
  Scale x, y;
  Chart::Unit unit = Chart::Unit::number;
};

bool finite(const Series& series, size_t i) { return std::isfinite(series.x[i]) && std::isfinite(series.y[i]); }

size_t finite_points(const Series& series) {
  size_t count = 0;
  for (size_t i = 0; i < series.x.size(); ++i) count += finite(series, i);
  return count;
}

std::string place(double value) { return short_number(std::round(value * 100) / 100, 6); }

std::string value_text(double value, Chart::Unit unit) {
  return unit == Chart::Unit::share ? percent(value) : short_number(value, 4);
}

std::string tick_text(double value, Chart::Unit unit) {
  if (unit == Chart::Unit::share) return short_number(100 * value, 4) + "\u00a0%";
  if (std::abs(value) >= 10000) return short_number(value / 1000, 4) + "k";
  return short_number(value, 4);
}

// Never of no length.
Scale fit(double low, double high, double from, double to) {
  if (!(high > low)) {
    const double room = std::max(std::abs(low) * 0.1, 1e-6);
    return {low - room, high + room, from, to};
  }
  return {low, high, from, to};
}

std::optional<Frame> frame_of(const Chart& chart) {
  double left = std::numeric_limits<double>::infinity(), right = -left, low = left, high = -left;
  for (const Series& series : chart.series) {
    for (size_t i = 0; i < series.x.size(); ++i) {
      if (!finite(series, i)) continue;
      left = std::min(left, series.x[i]);
      right = std::max(right, series.x[i]);
      low = std::min(low, series.y[i]);
      high = std::max(high, series.y[i]);
    }
    // A single raw point far away may leave the frame; it must not press everything else together.
    std::vector<double> raw;
    for (const double value : series.raw)
      if (std::isfinite(value)) raw.push_back(value);
    if (raw.empty()) continue;
    std::sort(raw.begin(), raw.end());
    low = std::min(low, raw[raw.size() / 50]);
    high = std::max(high, raw[raw.size() - 1 - raw.size() / 50]);
  }
  if (left > right) return std::nullopt;
  if (chart.reference) {
    low = std::min(low, *chart.reference);
    high = std::max(high, *chart.reference);
  }
  const double room = 0.06 * (high - low);
  low = chart.y_min.value_or(low >= 0 && low < 0.5 * high ? 0 : low - room);
  high = chart.y_max.value_or(high + room);
  left = chart.x_min.value_or(left);
  right = chart.x_max.value_or(right);
  return Frame{fit(left, right, kLeft, kWidth - kRight), fit(low, high, kHeight - kBottom, kTop), chart.unit};
}

std::string axes_svg(const Frame& frame) {
  std::string out = "<g class=\"grid\">";
  std::string labels = "<g class=\"ticks\">";
  for (const double tick : nice_ticks(frame.y.low, frame.y.high, 5)) {
    const std::string y = place(frame.y(tick));
    out += text("<path d=\"M", kLeft, ' ', y, 'H', kWidth - kRight, "\"/>");
    labels += text("<text x=\"", kLeft - 6, "\" y=\"", y, "\" dy=\"0.32em\" text-anchor=\"end\">",
                   tick_text(tick, frame.unit), "</text>");
  }
  for (const double tick : nice_ticks(frame.x.low, frame.x.high, 5)) {
    const double x = frame.x(tick);
    const std::string at = place(x);
    out += text("<path d=\"M", at, ' ', kHeight - kBottom, "v4\"/>");
    // A label at the right end must not be cut off.
    const bool at_end = x > kWidth - kRight - 14;
    labels += text("<text x=\"", at_end ? place(kWidth - 2) : at, "\" y=\"", kHeight - 8, "\" text-anchor=\"",
                   at_end ? "end" : "middle", "\">", tick_text(tick, Chart::Unit::number), "</text>");
  }
  labels += text("<text x=\"", kLeft - 14, "\" y=\"", kHeight - 8, "\" text-anchor=\"end\">step</text>");
  out += text("<path class=\"axis\" d=\"M", kLeft, ' ', kHeight - kBottom, 'H', kWidth - kRight, "\"/></g>");
  return out + labels + "</g>";
}

// A line through the finite points; it is interrupted where one is missing.
std::string path_data(const Frame& frame, const std::vector<double>& x, const std::vector<double>& y) {
  std::string out;
  bool drawing = false;
  for (size_t i = 0; i < x.size(); ++i) {
    if (!std::isfinite(x[i]) || !std::isfinite(y[i])) {
      drawing = false;
      continue;
    }
    const double shown = std::clamp(y[i], frame.y.low, frame.y.high);
    out += text(drawing ? 'L' : 'M', place(frame.x(x[i])), ' ', place(frame.y(shown)));
    drawing = true;
  }
  return out;
}

const char* dashes(Series::Line line) {
  if (line == Series::Line::dashed) return " stroke-dasharray=\"6 4\"";
  if (line == Series::Line::dotted) return " stroke-dasharray=\"1.5 4\" stroke-linecap=\"round\"";
  return "";
}

// The values go along for the pointer: "x,y" by "x,y".
std::string data_attribute(const Series& series, Chart::Unit unit) {
  std::string out = " data-points=\"";
  const char* separator = "";
  for (size_t i = 0; i < series.x.size(); ++i) {
    if (!finite(series, i)) continue;
    out += text(separator, short_number(series.x[i], 8), ',',
                short_number(series.y[i], unit == Chart::Unit::share ? 5 : 4));
    separator = " ";
  }
  return out + "\"";
}

std::string series_svg(const Frame& frame, const Series& series) {
  std::string out = text("<g class=\"series c", series.colour, "\"", data_attribute(series, frame.unit), ">");
  if (!series.raw.empty()) out += text("<path class=\"raw\" d=\"", path_data(frame, series.x, series.raw), "\"/>");
  out += text("<path class=\"line\" d=\"", path_data(frame, series.x, series.y), "\"", dashes(series.line), "/>");
  if (series.markers || finite_points(series) == 1) {
    for (size_t i = 0; i < series.x.size(); ++i)
      if (finite(series, i))
        out += text("<circle r=\"2.6\" cx=\"", place(frame.x(series.x[i])), "\" cy=\"", place(frame.y(series.y[i])),
                    "\"/>");
  }
  return out + "</g>";
}

std::string key_svg(const char* stroke) {
  return text("<svg class=\"key\" viewBox=\"0 0 18 8\" aria-hidden=\"true\"><path d=\"M1 4H17\"", stroke, "/></svg>");
}

// The tags stand at the ends of their lines, as far from one another as they are high. What is pushed down out of the
// frame pushes the others up.
std::string tags_svg(const Frame& frame, const std::vector<Series>& all) {
  constexpr double kHigh = 10;
  struct Tag {
    const Series* series;
    double x, y;
  };
  std::vector<Tag> tags;
  for (const Series& series : all) {
    if (series.tag.empty()) continue;
    size_t last = series.x.size();
    while (last-- > 0 && !finite(series, last)) {
    }
    const double end = std::clamp(series.y[last], frame.y.low, frame.y.high);
    tags.push_back({&series, frame.x(series.x[last]) + 4, frame.y(end)});
  }
  std::stable_sort(tags.begin(), tags.end(), [](const Tag& a, const Tag& b) { return a.y < b.y; });
  const auto apart = [](const Tag& a, const Tag& b) { return std::abs(a.x - b.x) >= kHigh; };
  for (size_t i = 0; i < tags.size(); ++i)
    for (size_t k = 0; k < i; ++k)
      if (!apart(tags[k], tags[i])) tags[i].y = std::max(tags[i].y, tags[k].y + kHigh);
  for (size_t i = tags.size(); i-- > 0;) {
    tags[i].y = std::min(tags[i].y, kHeight - kBottom);
    for (size_t k = i + 1; k < tags.size(); ++k)
      if (!apart(tags[k], tags[i])) tags[i].y = std::min(tags[i].y, tags[k].y - kHigh);
  }
  std::string out;
  for (const Tag& tag : tags)
    out += text("<text class=\"tag c", tag.series->colour, "\" x=\"", place(tag.x), "\" y=\"", place(tag.y),
                "\" dy=\"0.32em\">", escape_html(tag.series->tag), "</text>");
  return out;
}

std::string legend_entry(const std::string& classes, const std::string& name, const std::string& value,
                         const char* stroke) {
  return text("<li class=\"", classes, "\">", key_svg(stroke), escape_html(name), " <b>", value, "</b></li>");
}

std::string legend_html(const Chart& chart) {
  std::string out = "<ul class=\"legend\">";
  for (const Series& series : chart.series) {
    for (size_t i = series.x.size(); i-- > 0;) {
      if (!finite(series, i)) continue;
      out += legend_entry(text("entry c", series.colour), series.name, value_text(series.y[i], chart.unit),
                          dashes(series.line));
      break;
    }
  }
  if (chart.reference)
    out +=
        legend_entry("c0", chart.reference_name, value_text(*chart.reference, chart.unit), " stroke-dasharray=\"2 3\"");
  return out + "</ul>";
}

}  // namespace

std::vector<double> nice_ticks(double low, double high, int count) {
  if (!std::isfinite(low) || !std::isfinite(high) || count < 1) return {};
  if (!(high > low)) return {low};
  const double rough = (high - low) / count;
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double factor : {5.0, 2.0, 1.0})
    if (factor * power >= rough * 0.999) step = factor * power;
  std::vector<double> ticks;
  const double slack = 1e-9 * (high - low);
  for (double k = std::ceil((low - slack) / step); k * step <= high + slack; ++k)
    ticks.push_back(k == 0 ? 0 : k * step);
  return ticks;
}

void thin(Series& series, size_t most) {
  const size_t count = series.x.size();
  if (most == 0 || count <= most) return;
  Series out = series;
  out.x.clear();
  out.y.clear();
  for (size_t bucket = 0; bucket < most; ++bucket) {
    const size_t begin = bucket * count / most, end = (bucket + 1) * count / most;
    double sum = 0, points = 0;
    for (size_t i = begin; i < end; ++i) {
      if (!finite(series, i)) continue;
      sum += series.y[i];
      ++points;
    }
    out.x.push_back(series.x[end - 1]);  // the figures up to this step
    out.y.push_back(points > 0 ? sum / points : std::numeric_limits<double>::quiet_NaN());
  }
  series = std::move(out);
}

void smooth(Series& series, size_t window) {
  series.raw = series.y;
  const auto count = static_cast<ptrdiff_t>(series.y.size()), half = static_cast<ptrdiff_t>(window / 2);
  for (ptrdiff_t i = 0; i < count; ++i) {
    double sum = 0, points = 0;
    // Symmetric at the beginning, where curves are steep; at the end it may look back, so that the last value is a
    // mean.
    const ptrdiff_t reach = std::min(half, i);
    for (ptrdiff_t k = i - reach; k <= std::min(i + reach, count - 1); ++k) {
      const double value = series.raw[static_cast<size_t>(k)];
      if (!std::isfinite(value)) continue;
      sum += value;
      ++points;
    }
    series.y[static_cast<size_t>(i)] = points > 0 ? sum / points : std::numeric_limits<double>::quiet_NaN();
  }
}

std::string line_key(Series::Line line) { return key_svg(dashes(line)); }

std::string chart_html(const Chart& asked) {
  Chart chart = asked;
  std::erase_if(chart.series, [](const Series& series) { return finite_points(series) == 0; });
  const std::optional<Frame> frame = frame_of(chart);
  if (!frame) return "";
  const std::string title = escape_html(chart.title);
  std::string out = "<figure class=\"chart\"><figcaption><h3>" + title + "</h3>";
  if (!chart.note.empty()) out += "<p class=\"note\">" + escape_html(chart.note) + "</p>";
  out += legend_html(chart) + "</figcaption>";
  out += text("<svg class=\"plot\" viewBox=\"0 0 ", kWidth, ' ', kHeight, "\" role=\"img\" aria-label=\"", title,
              "\" data-unit=\"", chart.unit == Chart::Unit::share ? "share" : "number", "\" data-x=\"",
              short_number(frame->x.low, 8), ' ', short_number(frame->x.high, 8), ' ', frame->x.from, ' ', frame->x.to,
              "\">");
  out += axes_svg(*frame);
  if (chart.reference)
    out += text("<path class=\"reference\" d=\"M", kLeft, ' ', place(frame->y(*chart.reference)), 'H', kWidth - kRight,
                "\"/>");
  for (const Series& series : chart.series) out += series_svg(*frame, series);
  out += tags_svg(*frame, chart.series);
  out += text("<path class=\"cursor\" d=\"M0 ", kTop, 'V', kHeight - kBottom, "\"/></svg></figure>\n");
  return out;
}

}  // namespace tessera
