// vilt_mlm, vilt_mlm_tied, vilt_vqa, vilt_retrieval, vilt_nlvr2: hidden states of every layer, pooled output, logits,
// loss and the gradients of all parameters of Hugging Face's classes; of vilt_retrieval the scores of the ranking
// engine too, which computes each picture once.
#include <algorithm>
#include <functional>
#include <set>

#include "autograd/functions.h"
#include "tensor/ops/gather_rows.h"
#include "tests/golden/compare.h"
#include "tests/golden/device.h"
#include "tests/golden/padded_case.h"
#include "tests/golden/ranked_case.h"
#include "vilt/tasks/task_losses.h"

namespace tessera::golden {
namespace {

// A case's batch: sequence i is text i with its image, or, for pairs of images, 2i and 2i + 1 are text i with its first
// and with its second image.
PackedBatch read_batch(const SafeTensors& file, const ModelConfig& config) {
  const Tensor ids = file.at("input_ids"), mask = file.at("attention_mask");
  Tensor pixels = file.at("pixel_values"), grids = file.at("grids");
  const int64_t images = config.num_images;
  if (pixels.dim() == 5) {
    check(pixels.size(1) == images, "golden: ", pixels.size(1), " images per text, the config says ", images);
    pixels = pixels.view({pixels.size(0) * images, pixels.size(2), pixels.size(3), pixels.size(4)});
    grids = grids.view({grids.size(0) * images, 2});
  }
  BatchBuilder builder(config.patch_values(), config.table_side());
  for (int64_t i = 0; i < pixels.size(0); ++i)
    builder.add_image(crop_patches(pixels, i, grid_of(grids, i), config.patch_size));
  for (int64_t i = 0; i < ids.size(0); ++i) {
    const int64_t length = count_ones(mask, i);
    std::vector<int64_t> types;
    if (file.contains("token_type_ids")) types = row_values(file.at("token_type_ids"), i, length);
    for (int64_t k = 0; k < images; ++k) {
      const int64_t image =
          file.contains("image_index") ? file.at("image_index").select(0, i).item<int64_t>() : i * images + k;
      builder.add_sequence(row_values(ids, i, length), static_cast<int>(image), {}, 1 + k, types);
    }
  }
  return builder.finish();
}

Tensor class_rows(const PackedBatch& packed) {
  std::vector<int64_t> rows;
  for (const SequenceLayout& layout : packed.sequences) rows.push_back(layout.begin);
  return Tensor::from(rows);
}

struct Result {
  Variable logits, loss;
  Tensor expected_logits;
};

Result masked_words(const GoldenModel& golden, const SafeTensors& file, const PackedBatch& packed,
                    const Variable& hidden) {
  const Tensor labels = file.at("labels");
  const int64_t width = labels.size(1);
  std::vector<int64_t> places, masked, wanted;  // places: of the padded texts' real tokens
  for (int64_t i = 0; i < labels.size(0); ++i) {
    const SequenceLayout& layout = packed.sequences[static_cast<size_t>(i)];
    const std::vector<int64_t> row = row_values(labels, i, layout.text_length);
    for (int64_t t = 0; t < layout.text_length; ++t) {
      places.push_back(i * width + t);
      if (row[static_cast<size_t>(t)] < 0) continue;
      masked.push_back(layout.begin + t);
      wanted.push_back(row[static_cast<size_t>(t)]);
    }
  }
  const Tensor text = sequence_rows(packed, every(0, static_cast<int>(packed.sequences.size())), true);
  const Tensor& logits = file.at("logits");
  const Tensor flat = logits.view({labels.numel(), logits.size(2)});
  return {golden.model.masked_word_logits(hidden, text),
          cross_entropy(golden.model.masked_word_logits(hidden, Tensor::from(masked)), Tensor::from(wanted)),
          ops::gather_rows("golden", {&flat, 1}, Tensor::from(places))};
}

Result answers(const GoldenModel& golden, const SafeTensors& file, const PackedBatch& packed, const Variable& hidden) {
  const Variable logits = golden.model.class_logits(hidden, class_rows(packed));
  const Tensor targets = file.at("labels").to(hidden.dtype());
  return {logits, answer_loss(logits, targets, targets.size(0)), file.at("logits")};
}

Result ranking(const GoldenModel& golden, const SafeTensors& file, const PackedBatch& packed, const Variable& hidden) {
  const Variable scores = golden.model.rank_scores(hidden, class_rows(packed));
  const auto images = static_cast<int64_t>(packed.grids.size());
  return {scores, rank_loss(scores, scores.size(0) / images, images), file.at("logits")};
}

Result statements(const GoldenModel& golden, const SafeTensors& file, const PackedBatch& packed,
                  const Variable& hidden) {
  const Variable logits = golden.model.class_logits(hidden, class_rows(packed));
  const Tensor labels = file.at("labels");
  return {logits, class_loss(logits, labels, labels.numel()), file.at("logits")};
}

using Head = std::function<Result(const GoldenModel&, const SafeTensors&, const PackedBatch&, const Variable&)>;

// Every gradient of the file has a parameter, every parameter a gradient in the file.
void compare_gradients(Comparison& comparison, const SafeTensors& file, const StateDict& gradients) {
  for (const auto& [name, gradient] : gradients) {
    check(file.contains("grad." + name), "golden: no grad.", name);
    comparison.compare("grad." + name, gradient, file.at("grad." + name));
  }
  for (const auto& [name, tensor] : file.tensors)
    check(!name.starts_with("grad.") || gradients.contains(name.substr(5)), "golden: no parameter for ", name);
}

// The file has hidden, layer.i and pooled of all sequences or, with endings .0, .1, …, of those with the first image,
// the second image, …
void compare_hidden(Comparison& comparison, const SafeTensors& file, const GoldenModel& golden,
                    const PackedBatch& packed, const Variable& hidden, const std::vector<Tensor>& layers) {
  const auto images = static_cast<int>(golden.config.num_images), count = static_cast<int>(packed.sequences.size());
  const Variable pooled = golden.model.vilt.pooled(hidden, class_rows(packed));
  for (int k = 0; k < images; ++k) {
    const std::string ending = images == 1 ? "" : text('.', k);
    const std::vector<int> sequences = every(k, count / images, images);
    const Tensor rows = sequence_rows(packed, sequences, false);
    const auto compare = [&](const std::string& name, const Tensor& all, const Tensor& index) {
      comparison.compare(name + ending, ops::gather_rows("golden", {&all, 1}, index), file.at(name + ending));
    };
    compare("hidden", hidden.value(), rows);
    for (size_t i = 0; i < layers.size(); ++i) compare(text("layer.", i), layers[i], rows);
    const std::vector<int64_t> index(sequences.begin(), sequences.end());
    compare("pooled", pooled.value(), Tensor::from(index));
  }
}

Outcome run_head(const std::filesystem::path& directory, const Head& head) {
  const SafeTensors file = load_safetensors((directory / "case.safetensors").string());
  Comparison comparison(directory);
  for (const DType dtype : computed_dtypes()) {
    GoldenModel golden(directory, dtype);
    const PackedBatch packed = read_batch(file, golden.config);
    Observations observations;
    observations.keep_hidden = true;
    const Variable hidden = golden.model.vilt(packed, {}, &observations);
    compare_hidden(comparison, file, golden, packed, hidden, observations.hidden);
    const Result result = head(golden, file, packed, hidden);
    comparison.compare("logits", result.logits.value(), result.expected_logits);
    if (golden.model.rank) {
      const Tensor scores = ranked(golden.model, packed);
      comparison.compare("logits", scores.view(result.expected_logits.shape()), result.expected_logits);
      check_same_order(packed, scores, result.expected_logits);
    }
    comparison.compare("loss", result.loss.value(), file.at("loss"));
    golden.parameters.clear_gradients();
    result.loss.backward();
    compare_gradients(comparison, file, golden.gradients());
  }
  return comparison.outcome();
}

}  // namespace

Outcome run_vilt_mlm(const std::filesystem::path& directory) { return run_head(directory, masked_words); }
Outcome run_vilt_vqa(const std::filesystem::path& directory) { return run_head(directory, answers); }
Outcome run_vilt_retrieval(const std::filesystem::path& directory) { return run_head(directory, ranking); }
Outcome run_vilt_nlvr2(const std::filesystem::path& directory) { return run_head(directory, statements); }

}  // namespace tessera::golden
