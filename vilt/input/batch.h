// A ragged batch, packed: what the model receives. Nothing is padded and there is no mask tensor.
//
// The tokens of all sequences lie one after another; `cu_seqlens` marks where each begins. A sequence is
// [CLS] words [SEP], then the image's class token, then its patches in the order chosen by the collator (raster at
// inference). An image that several sequences use is embedded once and gathered several times.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "data/images/patches.h"
#include "tensor/tensor.h"

namespace tessera {

// Where a sequence lies in the packed tensors.
struct SequenceLayout {
  int64_t begin = 0;                 // row of its [CLS]
  int64_t text_length = 0;           // tokens including [CLS] and [SEP]
  int image = 0;                     // index into PackedBatch::grids
  int64_t patches = 0;               // how many of the image's patches it has
  std::vector<int64_t> patch_order;  // their raster indices; empty: all, in raster order

  int64_t first_patch_row() const { return begin + text_length + 1; }
  int64_t length() const { return text_length + 1 + patches; }
};

struct PackedBatch {
  Tensor patches;  // f32 [image patches, patch size], image after image; or u8 levels, which the model normalises
  PixelNorm norm;  // how it does so
  Tensor position_index;    // i64 [image patches, 4]: rows of the position table each patch interpolates between
  Tensor position_weight;   // f64 [image patches, 4]
  Tensor token_ids;         // i64 [text tokens], of all sequences
  Tensor token_positions;   // i64 [text tokens]: 0, 1, … in each sequence
  Tensor token_types;       // i64 [text tokens]: segment ids
  Tensor cu_seqlens;        // i64 [sequences + 1]
  Tensor gather;            // i64 [tokens]: rows of [text tokens; one image class token; image patches; replaced]
  Tensor replaced_patches;  // i64 [replaced]: rows of `patches` that some sequence sees as the mask token; their rows
                            // follow those of the image patches in what `gather` takes from. Undefined: none
  Tensor modality;          // i64 [tokens]: 0 text, 1 image (2: the second image of a pair)
  std::vector<SequenceLayout> sequences;
  std::vector<Grid> grids;  // of each image

  int64_t tokens() const { return gather.numel(); }
};

class BatchBuilder {
 public:
  // `patch_size` = 3 · P², `table_side`: the side of the square grid of image position embeddings. With `levels`
  // patches are given as levels 0..255 and stay so: a quarter of the bytes. The model normalises them as it says.
  BatchBuilder(int64_t patch_size, int table_side, const std::optional<PixelNorm>& levels = {});

  // Makes room for as many patches in all, so that they are written once, where they stay.
  void reserve_patches(int64_t patches);
  // `fill` writes the image's patches, [rows * columns, patch_size]. Returns the image's index.
  int add_image(Grid grid, const std::function<void(std::span<float>)>& fill);
  int add_levels(Grid grid, const std::function<void(std::span<uint8_t>)>& fill);
  int add_image(const PatchedImage& image);
  // `ids` include [CLS] and [SEP]. `patch_order`: raster indices of the patches to use; empty means all. Returns the
  // sequence's index.
  int add_sequence(std::span<const int64_t> ids, int image, std::span<const int64_t> patch_order = {},
                   int64_t image_modality = 1, std::span<const int64_t> types = {});
  // Patches of a sequence (places in its order) whose content is replaced by the mask token; their positions stay.
  // Other sequences with the same image see it whole.
  void replace_patches(int sequence, std::span<const int64_t> places);
  // The values of a patch of a sequence, as they were added.
  std::span<const float> patch(int sequence, int64_t place) const;
  std::span<const uint8_t> patch_levels(int sequence, int64_t place) const;
  const SequenceLayout& sequence(int index) const { return batch_.sequences[static_cast<size_t>(index)]; }
  PackedBatch finish();

 private:
  struct PendingSequence {
    int64_t first_text = 0, modality = 1;
    std::vector<int64_t> replaced = {};  // places of patches
  };
  // The row of `patches` that a place in a sequence's order stands for.
  int64_t image_patch(int sequence, int64_t place) const;
  template <class T>
  int add(Grid grid, const std::function<void(std::span<T>)>& fill);
  template <class T>
  std::span<const T> values_of(int sequence, int64_t place) const;

  int64_t patch_size_;
  int table_side_;
  DType dtype_;
  PackedBatch batch_;
  Tensor patches_;  // f32 or u8 [room, patch_size], of which patch_count_ rows are filled; undefined before the first
  int64_t patch_count_ = 0;
  std::vector<double> weights_;
  std::vector<int64_t> taps_, ids_, positions_, types_, first_patch_;
  std::vector<PendingSequence> pending_;
};

// The indices and labels that the pre-training objectives need beside the packed sequences.
struct ObjectiveTables {
  Tensor masked_rows;             // i64 [masked]: rows of the packed hidden states whose word was masked
  Tensor masked_labels;           // i64 [masked]: the original ids
  Tensor pair_rows;               // i64 [pairs]: [CLS] rows of the matching sequences
  Tensor pair_labels;             // i64 [pairs]: 1 = the image belongs to the text
  Tensor word_rows, cu_words;     // i64: words of the matching sequences without [CLS] and [SEP], ragged by pair
  Tensor patch_rows, cu_patches;  // i64: their patches without the image class token
  Tensor target_rows;     // i64 [targets]: rows of the packed hidden states of patches whose colour is to be restored
  Tensor target_colours;  // i64 [targets, 3]: their mean colours, 0..255. Both are undefined without that objective
};

// One micro-batch of pre-training: sequence s < pairs is text s with masked words and its own image, sequence pairs + s
// is the clean text with its own or a false image; if masked patches are predicted, sequence 2 pairs + s is the clean
// text with its own image, some of whose patches are hidden. What no objective asks for is left out.
struct PretrainBatch {
  PackedBatch packed;
  ObjectiveTables objectives;
  std::vector<int64_t> sample_ids;  // of the sentences, for messages

  int64_t pairs() const { return objectives.pair_labels.numel(); }
  int64_t masked() const { return objectives.masked_labels.numel(); }
  int64_t masked_patches() const { return objectives.target_rows.defined() ? objectives.target_rows.numel() : 0; }
};

// Rows and offsets of the words and patches that transport compares, for the sequences [first, first + count).
void fill_alignment_rows(const PackedBatch& packed, int first, int count, ObjectiveTables& tables);

}  // namespace tessera
