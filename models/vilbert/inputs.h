// What ViLBERT reads: texts and pictures' regions, each packed without padding in a stream of its own.
#pragma once

#include <cstdint>
#include <vector>

#include "models/vilbert/config.h"

namespace tessera {

struct VilbertTexts {
  Tensor ids, positions, types;  // i64 [tokens]
  Tensor cu_seqlens;             // i64 [texts + 1]

  // Ids from [CLS] to [SEP] and their segments; without any, all are segment 0. A text without tokens, longer than the
  // positions, with an unknown id or segment, or with another number of segments than tokens, is an error.
  static VilbertTexts of(const std::vector<std::vector<int64_t>>& texts, const VilbertConfig& config,
                         const std::vector<std::vector<int64_t>>& segments = {});
};

// The rows of one picture: the picture as a whole, then its regions.
struct PictureRows {
  Tensor features;   // [rows, v_feature_size]
  Tensor locations;  // [rows, 5]: x1 / width, y1 / height, x2 / width, y2 / height, area / (width · height)
};

// Regions that are to be told, and those of them that the model does not see; both ascending.
struct MaskedRegions {
  std::vector<int64_t> masked = {}, hidden = {};
};

// Puts the row of the whole picture in front: the mean feature, at [0, 0, 1, 1, 1]. features [regions, v_feature_size]
// and boxes [regions, 4] (x1, y1, x2, y2 in pixels), both f32 on the host. The mean is over the regions that are not
// masked, or zero where all are; the features of hidden ones are zero. No region, or a picture without area, is an
// error.
PictureRows picture_rows(const Tensor& features, const Tensor& boxes, double width, double height,
                         const MaskedRegions& masked = {});

struct VilbertPictures {
  Tensor features;    // [rows, v_feature_size]
  Tensor locations;   // [rows, 5]
  Tensor cu_seqlens;  // i64 [pictures + 1]

  // A picture without regions beside its first row, or with features or places of another size, is an error.
  static VilbertPictures of(const std::vector<PictureRows>& pictures, const VilbertConfig& config);
  // Floating tensors in `dtype`, on `device`.
  VilbertPictures to(DType dtype, Device device = {}) const;
};

}  // namespace tessera
