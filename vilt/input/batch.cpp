#include "vilt/input/batch.h"

#include <algorithm>

#include "vilt/input/position_taps.h"

namespace tessera {

BatchBuilder::BatchBuilder(int64_t patch_size, int table_side, const std::optional<PixelNorm>& levels)
    : patch_size_(patch_size), table_side_(table_side), dtype_(levels ? DType::u8 : DType::f32) {
  if (levels) batch_.norm = *levels;
}

void BatchBuilder::reserve_patches(int64_t patches) {
  if (patches_.defined() && patches <= patches_.size(0)) return;
  Tensor larger = Tensor::empty({patches, patch_size_}, dtype_);
  if (patch_count_ > 0) larger.narrow(0, 0, patch_count_).copy_(patches_.narrow(0, 0, patch_count_));
  patches_ = std::move(larger);
}

template <class T>
int BatchBuilder::add(Grid grid, const std::function<void(std::span<T>)>& fill) {
  const int64_t count = int64_t{grid.rows} * grid.columns;
  check(count > 0, "batch: an image of ", grid.rows, " x ", grid.columns, " patches");
  const int64_t needed = patch_count_ + count, room = patches_.defined() ? patches_.size(0) : 0;
  if (needed > room) reserve_patches(std::max(needed, 2 * room));
  fill(std::span(patches_.mutable_data<T>() + patch_count_ * patch_size_, static_cast<size_t>(count * patch_size_)));
  first_patch_.push_back(patch_count_);
  patch_count_ = needed;
  const PositionTaps taps = position_taps(table_side_, grid.rows, grid.columns);
  taps_.insert(taps_.end(), taps.index.begin(), taps.index.end());
  weights_.insert(weights_.end(), taps.weight.begin(), taps.weight.end());
  batch_.grids.push_back(grid);
  return static_cast<int>(batch_.grids.size()) - 1;
}

int BatchBuilder::add_image(Grid grid, const std::function<void(std::span<float>)>& fill) {
  check(dtype_ == DType::f32, "batch: normalised values for a batch of levels");
  return add(grid, fill);
}

int BatchBuilder::add_levels(Grid grid, const std::function<void(std::span<uint8_t>)>& fill) {
  check(dtype_ == DType::u8, "batch: levels for a batch of normalised values");
  return add(grid, fill);
}

int BatchBuilder::add_image(const PatchedImage& image) {
  const int64_t count = int64_t{image.rows} * image.columns;
  check(count > 0, "batch: an image of ", image.rows, " x ", image.columns, " patches");
  check(static_cast<int64_t>(image.patches.size()) == count * patch_size_, "batch: image has ", image.patches.size(),
        " values, expected ", count, " patches of ", patch_size_);
  return add_image({image.rows, image.columns},
                   [&](std::span<float> values) { std::ranges::copy(image.patches, values.begin()); });
}

int BatchBuilder::add_sequence(std::span<const int64_t> ids, int image, std::span<const int64_t> patch_order,
                               int64_t image_modality, std::span<const int64_t> types) {
  check(ids.size() >= 2, "batch: a text of ", ids.size(), " tokens, expected at least [CLS] and [SEP]");
  check(image >= 0 && image < static_cast<int>(batch_.grids.size()), "batch: no image ", image);
  check(types.empty() || types.size() == ids.size(), "batch: ", types.size(), " token types for ", ids.size(),
        " tokens");
  const Grid grid = batch_.grids[static_cast<size_t>(image)];
  const int64_t available = int64_t{grid.rows} * grid.columns;
  for (const int64_t raster : patch_order)
    check(raster >= 0 && raster < available, "batch: patch ", raster, " of an image of ", available);
  SequenceLayout layout;
  layout.begin = batch_.sequences.empty() ? 0 : batch_.sequences.back().begin + batch_.sequences.back().length();
  layout.text_length = static_cast<int64_t>(ids.size());
  layout.image = image;
  layout.patches = patch_order.empty() ? available : static_cast<int64_t>(patch_order.size());
  layout.patch_order.assign(patch_order.begin(), patch_order.end());
  batch_.sequences.push_back(std::move(layout));
  pending_.push_back({static_cast<int64_t>(ids_.size()), image_modality});
  ids_.insert(ids_.end(), ids.begin(), ids.end());
  for (size_t i = 0; i < ids.size(); ++i) {
    positions_.push_back(static_cast<int64_t>(i));
    types_.push_back(types.empty() ? 0 : types[i]);
  }
  return static_cast<int>(batch_.sequences.size()) - 1;
}

int64_t BatchBuilder::image_patch(int sequence, int64_t place) const {
  check(sequence >= 0 && sequence < static_cast<int>(pending_.size()), "batch: no sequence ", sequence);
  const SequenceLayout& layout = batch_.sequences[static_cast<size_t>(sequence)];
  check(place >= 0 && place < layout.patches, "batch: patch ", place, " of a sequence with ", layout.patches);
  return first_patch_[static_cast<size_t>(layout.image)] +
         (layout.patch_order.empty() ? place : layout.patch_order[static_cast<size_t>(place)]);
}

template <class T>
std::span<const T> BatchBuilder::values_of(int sequence, int64_t place) const {
  return {patches_.data<T>() + image_patch(sequence, place) * patch_size_, static_cast<size_t>(patch_size_)};
}

std::span<const float> BatchBuilder::patch(int sequence, int64_t place) const {
  return values_of<float>(sequence, place);
}
std::span<const uint8_t> BatchBuilder::patch_levels(int sequence, int64_t place) const {
  return values_of<uint8_t>(sequence, place);
}

void BatchBuilder::replace_patches(int sequence, std::span<const int64_t> places) {
  for (const int64_t place : places) image_patch(sequence, place);  // checks
  pending_[static_cast<size_t>(sequence)].replaced.assign(places.begin(), places.end());
}

PackedBatch BatchBuilder::finish() {
  const auto text_tokens = static_cast<int64_t>(ids_.size());
  const int64_t image_patches = patch_count_;
  std::vector<int64_t> gather, modality, replaced, cu_seqlens{0};
  for (size_t s = 0; s < pending_.size(); ++s) {
    const SequenceLayout& layout = batch_.sequences[s];
    for (int64_t t = 0; t < layout.text_length; ++t) gather.push_back(pending_[s].first_text + t);
    gather.push_back(text_tokens);
    const int64_t first = text_tokens + 1 + first_patch_[static_cast<size_t>(layout.image)];
    for (int64_t p = 0; p < layout.patches; ++p)
      gather.push_back(first + (layout.patch_order.empty() ? p : layout.patch_order[static_cast<size_t>(p)]));
    for (const int64_t place : pending_[s].replaced) {
      replaced.push_back(image_patch(static_cast<int>(s), place));
      gather[static_cast<size_t>(layout.first_patch_row() + place)] =
          text_tokens + image_patches + static_cast<int64_t>(replaced.size());
    }
    modality.insert(modality.end(), static_cast<size_t>(layout.text_length), 0);
    modality.insert(modality.end(), static_cast<size_t>(1 + layout.patches), pending_[s].modality);
    cu_seqlens.push_back(static_cast<int64_t>(gather.size()));
  }
  if (!patches_.defined()) reserve_patches(0);
  batch_.patches = patches_.size(0) == image_patches ? patches_ : patches_.narrow(0, 0, image_patches).clone();
  batch_.position_index = Tensor::from(taps_, {image_patches, 4});
  batch_.position_weight = Tensor::from(weights_, {image_patches, 4});
  batch_.token_ids = Tensor::from(ids_);
  batch_.token_positions = Tensor::from(positions_);
  batch_.token_types = Tensor::from(types_);
  batch_.cu_seqlens = Tensor::from(cu_seqlens);
  batch_.gather = Tensor::from(gather);
  if (!replaced.empty()) batch_.replaced_patches = Tensor::from(replaced);
  batch_.modality = Tensor::from(modality);
  return std::move(batch_);
}

void fill_alignment_rows(const PackedBatch& packed, int first, int count, ObjectiveTables& tables) {
  std::vector<int64_t> words, patches, cu_words{0}, cu_patches{0};
  for (int s = first; s < first + count; ++s) {
    const SequenceLayout& layout = packed.sequences[static_cast<size_t>(s)];
    for (int64_t t = 1; t + 1 < layout.text_length; ++t) words.push_back(layout.begin + t);
    for (int64_t p = 0; p < layout.patches; ++p) patches.push_back(layout.first_patch_row() + p);
    cu_words.push_back(static_cast<int64_t>(words.size()));
    cu_patches.push_back(static_cast<int64_t>(patches.size()));
  }
  tables.word_rows = Tensor::from(words);
  tables.patch_rows = Tensor::from(patches);
  tables.cu_words = Tensor::from(cu_words);
  tables.cu_patches = Tensor::from(cu_patches);
}

}  // namespace tessera
