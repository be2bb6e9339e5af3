// Batches of pre-training from golden cases: padded tensors in, packed ones out.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/batch.h"
#include "nn/safetensors.h"
#include "vilt/heads.h"

namespace tessera::golden {

// The first rows · columns patches of picture `index` of `pixels` [B, 3, H, W], which is padded at the right and bottom.
PatchedImage crop_patches(const Tensor& pixels, int64_t index, Grid grid, int64_t patch);

// One padded batch of the file (tensor names begin with `prefix`): sequence i is masked text i with its image, sequence
// B + i the clean text with its own or a false image. With `sampled` only the patches of select_mlm and select_itm.
PretrainBatch read_pretrain_batch(const SafeTensors& file, const std::string& prefix, const ModelConfig& config,
                                  bool sampled);

// Rows of a packed tensor: of the sequences [first, first + count), whole or their text only.
Tensor sequence_rows(const PackedBatch& packed, int first, int count, bool text_only);

// The model of `directory` (config.json, model.safetensors), in `dtype`.
struct GoldenModel {
  ModelConfig config;
  ViltWithHeads model;
  ParameterSet parameters;

  GoldenModel(const std::filesystem::path& directory, DType dtype);
};

}  // namespace tessera::golden
