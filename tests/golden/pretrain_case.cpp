#include "tests/golden/pretrain_case.h"
#include "vilt/state_dict.h"

namespace tessera::golden {
namespace {

// The first `length` entries of row `row` of an i64 matrix.
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

std::vector<int64_t> selection(const SafeTensors& file, const std::string& name, int64_t row) {
  std::vector<int64_t> out;
  for (const int64_t index : file.at(name).select(0, row).to_vector<int64_t>())
    if (index >= 0) out.push_back(index);
  return out;
}

}  // namespace

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

PretrainBatch read_pretrain_batch(const SafeTensors& file, const std::string& prefix, const ModelConfig& config,
                                  bool sampled) {
  const auto at = [&](const std::string& name) -> const Tensor& { return file.at(prefix + name); };
  const Tensor pixels = at("pixel_values"), grids = at("grids"), labels = at("mlm_labels");
  const std::vector<int64_t> matched = at("itm_labels").to_vector<int64_t>();
  const auto pairs = static_cast<int64_t>(matched.size());
  BatchBuilder builder(config.patch_values(), config.table_side());
  std::vector<int> own, paired;
  for (int64_t i = 0; i < pixels.size(0); ++i)
    own.push_back(builder.add_image(crop_patches(pixels, i, grid_of(grids, i), config.patch_size)));
  for (int64_t i = 0; i < pairs; ++i) {
    if (file.contains(prefix + "itm_image_index"))
      paired.push_back(own[static_cast<size_t>(at("itm_image_index").select(0, i).item<int64_t>())]);
    else if (matched[static_cast<size_t>(i)] == 1)
      paired.push_back(own[static_cast<size_t>(i)]);
    else
      paired.push_back(builder.add_image(
          crop_patches(at("false_pixel_values"), i, grid_of(at("false_grids"), i), config.patch_size)));
  }
  std::vector<int64_t> masked_rows, masked_labels, pair_rows;
  for (int64_t i = 0; i < pairs; ++i) {
    const int64_t length = count_ones(at("attention_mask"), i);
    const std::vector<int64_t> order = sampled ? selection(file, prefix + "select_mlm", i) : std::vector<int64_t>{};
    const int sequence = builder.add_sequence(row_values(at("input_ids_mlm"), i, length), own[static_cast<size_t>(i)], order);
    const std::vector<int64_t> row = row_values(labels, i, length);
    for (int64_t t = 0; t < length; ++t) {
      if (row[static_cast<size_t>(t)] < 0) continue;
      masked_rows.push_back(builder.sequence(sequence).begin + t);
      masked_labels.push_back(row[static_cast<size_t>(t)]);
    }
  }
  for (int64_t i = 0; i < pairs; ++i) {
    const std::vector<int64_t> order = sampled ? selection(file, prefix + "select_itm", i) : std::vector<int64_t>{};
    const int64_t length = count_ones(at("attention_mask"), i);
    const int sequence =
        builder.add_sequence(row_values(at("input_ids"), i, length), paired[static_cast<size_t>(i)], order);
    pair_rows.push_back(builder.sequence(sequence).begin);
  }
  PretrainBatch batch;
  batch.packed = builder.finish();
  batch.objectives.masked_rows = Tensor::from(masked_rows);
  batch.objectives.masked_labels = Tensor::from(masked_labels);
  batch.objectives.pair_rows = Tensor::from(pair_rows);
  batch.objectives.pair_labels = at("itm_labels");
  fill_alignment_rows(batch.packed, static_cast<int>(pairs), static_cast<int>(pairs), batch.objectives);
  return batch;
}

Tensor sequence_rows(const PackedBatch& packed, int first, int count, bool text_only) {
  std::vector<int64_t> rows;
  for (int s = first; s < first + count; ++s) {
    const SequenceLayout& layout = packed.sequences[static_cast<size_t>(s)];
    for (int64_t t = 0; t < (text_only ? layout.text_length : layout.length()); ++t) rows.push_back(layout.begin + t);
  }
  return Tensor::from(rows);
}

GoldenModel::GoldenModel(const std::filesystem::path& directory, DType dtype)
    : config(ModelConfig::from_file(directory / "config.json")), model(config), parameters(model, dtype) {
  const std::string weights = (directory / "model.safetensors").string();
  load_file_state(parameters, config, load_safetensors(weights).tensors, weights);
}

}  // namespace tessera::golden
