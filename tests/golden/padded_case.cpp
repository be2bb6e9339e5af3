#include "tests/golden/padded_case.h"
#include "tests/gradient_state.h"

#include "tests/golden/device.h"

namespace tessera::golden {
namespace {

constexpr const char *kBias = "mlm_score.bias", *kDecoderBias = "mlm_score.decoder.bias";

}  // namespace

std::vector<int64_t> row_values(const Tensor& matrix, int64_t row, int64_t length) {
  return matrix.select(0, row).narrow(0, 0, length).to_vector<int64_t>();
}

int64_t count_ones(const Tensor& mask, int64_t row) {
  int64_t count = 0;
  for (const int64_t value : mask.select(0, row).to_vector<int64_t>()) count += value;
  return count;
}

Grid grid_of(const Tensor& grids, int64_t image) {
  const std::vector<int64_t> sides = grids.select(0, image).to_vector<int64_t>();
  return {static_cast<int>(sides[0]), static_cast<int>(sides[1])};
}

PatchedImage crop_patches(const Tensor& pixels, int64_t index, Grid grid, int64_t patch) {
  const Tensor image = pixels.select(0, index).contiguous();
  const int64_t height = image.size(1), width = image.size(2);
  check(grid.rows * patch <= height && grid.columns * patch <= width, "golden: grid ", grid.rows, " x ", grid.columns,
        " does not fit ", image.shape());
  const float* values = image.data<float>();
  PatchedImage out{grid.rows, grid.columns, {}};
  for (int row = 0; row < grid.rows; ++row)
    for (int column = 0; column < grid.columns; ++column)
      for (int64_t channel = 0; channel < 3; ++channel)
        for (int64_t y = 0; y < patch; ++y) {
          const float* from = values + (channel * height + row * patch + y) * width + column * patch;
          out.patches.insert(out.patches.end(), from, from + patch);
        }
  return out;
}

Tensor sequence_rows(const PackedBatch& packed, const std::vector<int>& sequences, bool text_only) {
  std::vector<int64_t> rows;
  for (const int s : sequences) {
    const SequenceLayout& layout = packed.sequences[static_cast<size_t>(s)];
    for (int64_t t = 0; t < (text_only ? layout.text_length : layout.length()); ++t) rows.push_back(layout.begin + t);
  }
  return Tensor::from(rows);
}

std::vector<int> every(int first, int count, int step) {
  std::vector<int> out;
  for (int i = 0; i < count; ++i) out.push_back(first + i * step);
  return out;
}

GoldenModel::GoldenModel(const std::filesystem::path& directory, DType dtype)
    : GoldenModel(read_weights(directory), directory, dtype) {}

GoldenModel::GoldenModel(Weights weights, const std::filesystem::path& directory, DType dtype)
    : config(adapt(ModelConfig::from_file(directory / "config.json"), weights)),
      model(config),
      parameters(model, dtype, "", computed_on),
      bias_(weights.raw.contains(kDecoderBias) ? kDecoderBias : kBias) {
  load_file_state(parameters, config, weights.state.tensors, weights.source);
}

StateDict GoldenModel::gradients() {
  StateDict out;
  for (const auto& [name, gradient] : file_views(tests::gradient_state(parameters), config))
    out.emplace(name == kBias ? bias_ : name, gradient);
  return out;
}

}  // namespace tessera::golden
