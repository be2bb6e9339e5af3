#include "vilt/report/map_svg.h"

#include <map>

#include "report/heat_map.h"
#include "report/html.h"

namespace tessera {
namespace {

std::string hex(Colour colour) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out = "#";
  for (const uint8_t channel : {colour.red, colour.green, colour.blue}) {
    out += kDigits[channel >> 4];
    out += kDigits[channel & 15];
  }
  return out;
}

// Patches of (nearly) the same level are one path.
std::string heat_svg(const MapCanvas& canvas, std::span<const float> weights) {
  constexpr int kLevels = 64;
  std::map<int, std::string> paths;
  const std::vector<double> levels = heat_levels(weights);
  for (size_t p = 0; p < levels.size(); ++p) {
    const int row = static_cast<int>(p) / canvas.grid.columns, column = static_cast<int>(p) % canvas.grid.columns;
    paths[static_cast<int>(std::lround(levels[p] * kLevels))] +=
        text('M', column * canvas.patch, ' ', row * canvas.patch, 'h', canvas.patch, 'v', canvas.patch, 'h',
             -canvas.patch, 'z');
  }
  std::string out;
  for (const auto& [level, data] : paths) {
    const double t = static_cast<double>(level) / kLevels;
    out += text("<path fill=\"", hex(heat_colour(t)), "\" fill-opacity=\"", fixed(heat_opacity(t), 2), "\" d=\"", data,
                "\"/>");
  }
  return out;
}

std::string grid_svg(const MapCanvas& canvas) {
  std::string data;
  for (int row = 1; row < canvas.grid.rows; ++row) data += text("M0 ", row * canvas.patch, 'h', canvas.width);
  for (int column = 1; column < canvas.grid.columns; ++column)
    data += text('M', column * canvas.patch, " 0v", canvas.height);
  return data.empty() ? "" : "<path class=\"patches\" d=\"" + data + "\"/>";
}

std::string shares_attribute(std::span<const float> weights) {
  double total = 0;
  for (const float w : weights) total += static_cast<double>(w);
  std::string out = " data-shares=\"";
  for (size_t p = 0; p < weights.size(); ++p)
    out += text(p > 0 ? " " : "", total > 0 ? short_number(static_cast<double>(weights[p]) / total, 3) : "0");
  return out + "\"";
}

}  // namespace

MapCanvas map_canvas(const std::string& picture, const Image& image, int patch) {
  return {picture, image.width, image.height, patch, {image.height / patch, image.width / patch}};
}

std::string map_svg(const MapCanvas& canvas, const std::string& label, std::span<const float> weights,
                    const std::string& over) {
  return text("<svg viewBox=\"0 0 ", canvas.width, ' ', canvas.height, "\" role=\"img\" aria-label=\"", label,
              "\" data-grid=\"", canvas.grid.rows, ' ', canvas.grid.columns, "\"", shares_attribute(weights),
              "><use href=\"#", canvas.picture, "\" filter=\"url(#grey)\"/>", heat_svg(canvas, weights),
              grid_svg(canvas), over, "</svg>");
}

std::string heat_scale_html() {
  std::string stops, labels;
  for (int i = 0; i <= 16; ++i) stops += text(i > 0 ? "," : "", hex(heat_colour(i / 16.0)));
  for (const char* label : {"0", "flat", "3 ×", "7 ×", "15 ×"}) labels += text("<span>", label, "</span>");
  return "<div class=\"heat-scale\"><div style=\"background:linear-gradient(90deg," + stops + ")\"></div><p>" + labels +
         "</p></div>\n";
}

}  // namespace tessera
