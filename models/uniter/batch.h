// What UNITER reads: texts with the regions of their pictures, packed without padding.
#pragma once

#include <array>
#include <vector>

#include "models/uniter/config.h"

namespace tessera {

constexpr int64_t kUniterPlace = 7;

// Where a region lies in a picture of width x height pixels: x1 / width, y1 / height, x2 / width, y2 / height, and its
// own width, height and area as parts of the picture's.
std::array<float, kUniterPlace> uniter_place(float x1, float y1, float x2, float y2, float width, float height);

// A text with the regions of one picture.
struct UniterSample {
  std::vector<int64_t> ids;          // of the text, with [CLS] and [SEP]
  Tensor features;                   // [regions, img_dim]
  Tensor places;                     // [regions, 7]
  std::vector<int64_t> masked = {};  // regions whose features are hidden from the model, ascending
  int64_t image_type = 1;            // row of the table of segments: 1, and 2 for the second picture of a pair
};

// Sequences one after the other, of each the text's tokens, then the regions. Index tensors are i64.
struct UniterBatch {
  Tensor ids, positions, text_types;  // [tokens]
  Tensor features, places;            // [regions, img_dim], [regions, 7]
  Tensor region_types;                // [regions]
  Tensor feature_rows;                // [regions]: the own one, or the number of all regions where it is masked
  Tensor order;                       // [tokens + regions]: row of the tokens and then the regions
  Tensor text_rows, region_rows, masked_rows;  // which rows of the packed sequences are tokens, regions, masked regions
  Tensor cu_seqlens, cu_text, cu_regions;      // [sequences + 1]

  int64_t sequences() const { return cu_seqlens.numel() - 1; }
  // Rows of the first tokens, which stand for their sequences.
  Tensor class_rows() const { return cu_seqlens.narrow(0, 0, sequences()); }

  // Errors: no sample; a sample without text or without regions, with a text longer than the position table, with
  // features or places of another size, with a masked region or an image type that does not exist.
  static UniterBatch of(const std::vector<UniterSample>& samples, const UniterConfig& config);
};

}  // namespace tessera
