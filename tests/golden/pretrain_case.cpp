#include "tests/golden/pretrain_case.h"

namespace tessera::golden {
namespace {

std::vector<int64_t> selection(const SafeTensors& file, const std::string& name, int64_t row) {
  std::vector<int64_t> out;
  for (const int64_t index : file.at(name).select(0, row).to_vector<int64_t>())
    if (index >= 0) out.push_back(index);
  return out;
}

}  // namespace

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
    const int sequence =
        builder.add_sequence(row_values(at("input_ids_mlm"), i, length), own[static_cast<size_t>(i)], order);
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

}  // namespace tessera::golden
