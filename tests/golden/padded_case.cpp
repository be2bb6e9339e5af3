#include "tests/golden/padded_case.h"

namespace tessera::golden {
namespace {

constexpr const char* kBias = "mlm_score.bias";

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

// The decoder of masked words is the word table where the file has none of its own, whatever config.json says; its bias
// has two names.
GoldenModel::Source GoldenModel::read(const std::filesystem::path& directory) {
  Source source{ModelConfig::from_file(directory / "config.json"),
                load_safetensors((directory / "model.safetensors").string()).tensors, kBias};
  if (!source.config.heads.masked_words) return source;
  source.config.tie_word_embeddings = !source.tensors.contains("mlm_score.decoder.weight");
  if (source.tensors.contains("mlm_score.decoder.bias")) {
    source.bias = "mlm_score.decoder.bias";
    auto node = source.tensors.extract(source.bias);
    node.key() = kBias;
    source.tensors.insert(std::move(node));
  }
  return source;
}

GoldenModel::GoldenModel(const std::filesystem::path& directory, DType dtype)
    : GoldenModel(read(directory), directory, dtype) {}

GoldenModel::GoldenModel(const Source& source, const std::filesystem::path& directory, DType dtype)
    : config(source.config), model(config), parameters(model, dtype), bias_(source.bias) {
  load_file_state(parameters, config, source.tensors, (directory / "model.safetensors").string());
}

StateDict GoldenModel::gradients() {
  StateDict out;
  for (const auto& [name, gradient] : file_views(gradient_state(parameters), config))
    out.emplace(name == kBias ? bias_ : name, gradient);
  return out;
}

}  // namespace tessera::golden
