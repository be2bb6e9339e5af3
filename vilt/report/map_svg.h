// Maps of weights over the patches of a picture, as SVG inside the report.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "data/images/image.h"
#include "data/images/patches.h"

namespace tessera {

struct MapCanvas {
  std::string picture;  // id of the symbol that holds it
  int width = 0, height = 0, patch = 0;
  Grid grid;
};
MapCanvas map_canvas(const std::string& picture, const Image& image, int patch);

// The picture in grey under its weights [patches]; `label` is escaped already, `over` is drawn on top of it. The script
// of the page tells the share of the patch that is pointed at.
std::string map_svg(const MapCanvas& canvas, const std::string& label, std::span<const float> weights,
                    const std::string& over = "");

// The colours and what they mean.
std::string heat_scale_html();

}  // namespace tessera
