// Pixel-BERT's configuration: BERT's fields under Hugging Face's names, and those of the network and its grid.
//
//   {"hidden_size": 64, …, "resnet": {"block": "basic", "layers": [1, 1], "widths": [24, 48], "stem": 16,
//    "stem_kernel": 7, "stem_stride": 2, "stem_pool": true}, "pool": true, "position_rows": 6, "position_columns": 6}
#pragma once

#include <string>

#include "models/parts/bert.h"
#include "models/parts/resnet.h"

namespace tessera {

struct PixelBertConfig {
  BertConfig bert;
  ResNetOptions cnn;
  bool pool = true;  // halve the map by a 2 x 2 max pool: an odd last row or column is dropped
  // Learned embeddings of a cell's row and column, for grids of up to this many; 0: none, as published.
  int64_t position_rows = 0, position_columns = 0;

  // Rows and columns of cells of a picture of so many pixels. An error where there is none, or more than have a place.
  Size2d grid(Size2d picture) const;
  // Roughly how many numbers such a model holds.
  double parameters() const;
  // Throws an error that names the first field with an impossible value.
  void validate() const;

  std::string to_json() const;
  // Fields that are not given have the published values, unknown ones are ignored; a wrong type or an impossible value
  // is an error that names `origin` and field.
  static PixelBertConfig from_json(const std::string& text, const std::string& origin);
};

}  // namespace tessera
