// The vision transformer (Dosovitskiy et al.: "An Image is Worth 16x16 Words", ICLR 2021): patches, projected, with a
// class token before them and positions added; blocks; a LayerNorm. CLIP's has another LayerNorm before the blocks.
// On packed pictures: each may have a grid of its own.
#pragma once

#include <optional>
#include <vector>

#include "data/images/patches.h"
#include "models/parts/block_names.h"

namespace tessera {

struct VisionOptions {
  BlockOptions block;
  int64_t layers = 0;
  int64_t patch_size = 0;
  int64_t table_side = 0;  // the square of patches that the position embeddings cover
  bool patch_bias = true;
  bool norm_before = false;  // a LayerNorm before the blocks
};

// Pictures as rows of patches, one picture after the other, each patch by patch in raster order.
struct PatchRows {
  Variable patches;         // [patches, 3 · P²], each row (channel, y, x), normalised
  std::vector<Grid> grids;  // of each picture

  // pixels [pictures, 3, height, width] → the same as rows, differentiable; what is left of a side after whole patches
  // is not read, as a convolution with stride P does not read it.
  static PatchRows of_pixels(const Variable& pixels, int64_t patch_size);
};

struct VisionTransformer {
  VisionOptions options;
  Linear patch_projection;  // [d, 3 · P²]: the convolution kernel [d, 3, P, P], reshaped
  Variable class_token;     // [1, d]
  Variable positions;       // [1 + side², d]: row 0 for the class token, then the grid in raster order
  std::optional<LayerNorm> norm_before;
  std::vector<TransformerBlock> blocks;
  LayerNorm norm;

  VisionTransformer() = default;
  explicit VisionTransformer(const VisionOptions& options);

  struct Output {
    Variable hidden;    // [tokens, d] after the last block, not normalised: per picture the class token, then patches
    Tensor cu_seqlens;  // i64 [pictures + 1]
    // Rows of the class tokens: i64 [pictures].
    Tensor class_rows() const;
  };
  // On another grid than the table's, positions are resampled (models/parts/position_resampling.h). Where `states` is
  // given it receives what goes into block 0 and what comes out of each block.
  Output operator()(const PatchRows& pictures, const ForwardContext& context,
                    std::vector<Tensor>* states = nullptr) const;

  // class_token, patch_projection.*, positions, norm_before.*, norm.* as `names` calls them, and the blocks.
  void visit(const std::string& prefix, const NameTable& names, const BlockNames& block_names,
             const ParameterVisitor& visitor);

 private:
  Variable place_embeddings(const std::vector<Grid>& grids) const;
};

// Runs the blocks, as VisionTransformer does. [tokens, d] → [tokens, d], the last branch added.
Variable run_blocks(const std::vector<TransformerBlock>& blocks, const Variable& x, const Tensor& cu_seqlens,
                    const ForwardContext& context, std::vector<Tensor>* states = nullptr);

}  // namespace tessera
