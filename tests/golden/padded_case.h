// What golden cases of whole models share: the checkpoint, and padded tensors that become packed ones.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "io/safetensors.h"
#include "vilt/files/weights.h"
#include "vilt/heads.h"
#include "vilt/input/batch.h"

namespace tessera::golden {

// The first `length` entries of row `row` of an i64 matrix.
std::vector<int64_t> row_values(const Tensor& matrix, int64_t row, int64_t length);
// How many entries of row `row` are 1: the length of a text by its attention mask.
int64_t count_ones(const Tensor& mask, int64_t row);

// Rows and columns of image `image` of `grids` i64 [images, 2].
Grid grid_of(const Tensor& grids, int64_t image);
// The first rows · columns patches of picture `index` of `pixels` [B, 3, H, W], which is padded at the right and
// bottom.
PatchedImage crop_patches(const Tensor& pixels, int64_t index, Grid grid, int64_t patch);

// Rows of a packed tensor: of the given sequences, whole or their text only.
Tensor sequence_rows(const PackedBatch& packed, const std::vector<int>& sequences, bool text_only);
// first, first + step, … (count of them).
std::vector<int> every(int first, int count, int step = 1);

// The model of `directory` (config.json, model.safetensors), in `dtype`.
struct GoldenModel {
  ModelConfig config;
  ViltWithHeads model;
  ParameterSet parameters;

  GoldenModel(const std::filesystem::path& directory, DType dtype);
  // The gradients under the file's names.
  StateDict gradients();

 private:
  GoldenModel(Weights weights, const std::filesystem::path& directory, DType dtype);
  std::string bias_;  // the file's name of the masked-word head's bias
};

}  // namespace tessera::golden
