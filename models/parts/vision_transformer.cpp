#include "models/parts/vision_transformer.h"

#include <algorithm>

#include "autograd/finite.h"
#include "autograd/functions.h"
#include "models/parts/position_resampling.h"

namespace tessera {
namespace {

Variable value_of(const Stream& stream) {
  return stream.branch.defined() ? stream.residual + stream.branch : stream.residual;
}

}  // namespace

PatchRows PatchRows::of_pixels(const Variable& pixels, int64_t patch_size) {
  check(pixels.shape().dim() == 4 && pixels.size(1) == 3, "pictures: pixels are ", pixels.shape(),
        ", expected [pictures, 3, height, width]");
  const int64_t count = pixels.size(0), p = patch_size;
  const Grid grid{static_cast<int>(pixels.size(2) / p), static_cast<int>(pixels.size(3) / p)};
  check(grid.rows > 0 && grid.columns > 0, "pictures: ", pixels.size(2), " x ", pixels.size(3),
        " pixels are less than one patch of ", p);
  const Variable whole = narrow(narrow(pixels, 2, 0, grid.rows * p), 3, 0, grid.columns * p);
  const Variable cut = reshape(contiguous(whole), {count, 3, grid.rows, p, grid.columns, p});
  const Variable rows = contiguous(permute(cut, {0, 2, 4, 1, 3, 5}));
  return {reshape(rows, {count * grid.rows * grid.columns, 3 * p * p}), std::vector(static_cast<size_t>(count), grid)};
}

VisionTransformer::VisionTransformer(const VisionOptions& o)
    : options(o),
      patch_projection(3 * o.patch_size * o.patch_size, o.block.size, o.patch_bias),
      class_token(zero_parameter({1, o.block.size})),
      positions(zero_parameter({1 + o.table_side * o.table_side, o.block.size})),
      blocks(static_cast<size_t>(o.layers)),
      norm(o.block.size, o.block.eps) {
  if (o.norm_before) norm_before.emplace(o.block.size, o.block.eps);
  for (TransformerBlock& block : blocks) block = TransformerBlock(o.block);
}

// [patches, d]
Variable VisionTransformer::place_embeddings(const std::vector<Grid>& grids) const {
  const auto side = static_cast<int>(options.table_side);
  const bool as_the_table = std::all_of(grids.begin(), grids.end(),
                                        [&](const Grid& grid) { return grid.rows == side && grid.columns == side; });
  std::vector<int64_t> index;
  if (as_the_table) {
    for (size_t i = 0; i < grids.size(); ++i)
      for (int64_t place = 1; place <= int64_t{side} * side; ++place) index.push_back(place);
    return gather_rows({positions}, Tensor::from(index));
  }
  std::vector<double> weight;
  for (const Grid& grid : grids) {
    const ResampledPositions taps = resample_positions(side, grid.rows, grid.columns);
    for (const int64_t cell : taps.index) index.push_back(1 + cell);
    weight.insert(weight.end(), taps.weight.begin(), taps.weight.end());
  }
  const Shape shape{static_cast<int64_t>(index.size()) / kBicubicTaps, kBicubicTaps};
  return interpolate_rows(positions, Tensor::from(index, shape), Tensor::from(weight, shape).to(positions.dtype()));
}

VisionTransformer::Output VisionTransformer::operator()(const PatchRows& pictures, const ForwardContext& context,
                                                        std::vector<Tensor>* states) const {
  // Row 0 of what is gathered is the class token, then come all patches.
  std::vector<int64_t> gather, marks{0};
  int64_t patch = 1;
  for (const Grid& grid : pictures.grids) {
    gather.push_back(0);
    for (int i = 0; i < grid.rows * grid.columns; ++i) gather.push_back(patch++);
    marks.push_back(static_cast<int64_t>(gather.size()));
  }
  check(pictures.patches.size(0) == patch - 1, "vision transformer: ", pictures.patches.size(0),
        " patches, the pictures' grids have ", patch - 1);
  const DType dtype = context.activations_beside(positions.dtype());
  Variable x;
  {
    const NameScope scope("embeddings");
    const Variable projected = patch_projection(pictures.patches);
    const Variable rows = projected.dtype() == positions.dtype() ? projected : cast(projected, positions.dtype());
    x = gather_rows({class_token + narrow(positions, 0, 0, 1), rows + place_embeddings(pictures.grids)},
                    Tensor::from(gather));
    if (norm_before) x = (*norm_before)(x);
    if (x.dtype() != dtype) x = cast(x, dtype);
  }
  const Tensor cu_seqlens = Tensor::from(marks);
  return {run_blocks(blocks, x, cu_seqlens, context, states), cu_seqlens};
}

Tensor VisionTransformer::Output::class_rows() const { return cu_seqlens.narrow(0, 0, cu_seqlens.size(0) - 1); }

void VisionTransformer::visit(const std::string& prefix, const NameTable& names, const BlockNames& block_names,
                              const ParameterVisitor& visitor) {
  const ParameterVisitor renamed = with_names(names, prefix, visitor);
  renamed("class_token", class_token);
  patch_projection.visit("patch_projection", renamed);
  renamed("positions", positions);
  if (norm_before) norm_before->visit("norm_before", renamed);
  visit_blocks(blocks, prefix, block_names, visitor);
  norm.visit("norm", renamed);
}

Variable run_blocks(const std::vector<TransformerBlock>& blocks, const Variable& x, const Tensor& cu_seqlens,
                    const ForwardContext& context, std::vector<Tensor>* states) {
  Stream stream{x, {}};
  if (states) states->push_back(x.value());
  for (size_t i = 0; i < blocks.size(); ++i) {
    const NameScope scope("block.", static_cast<int64_t>(i));
    stream = context.checkpoint_blocks ? blocks[i].checkpointed(stream, cu_seqlens, context)
                                       : blocks[i](stream, cu_seqlens, context);
    if (states) states->push_back(value_of(stream).value());
  }
  return value_of(stream);
}

}  // namespace tessera
