#include "models/pixelbert/scoring.h"

#include <algorithm>

#include "autograd/tape.h"
#include "models/pixelbert/collator.h"
#include "tensor/ops/reduce.h"

namespace tessera {
namespace {

// Sequences of one pass through the blocks, pictures of one through the network, and sequences whose pictures' cells
// are held at once.
constexpr size_t kSequences = 64, kHeld = 8192;
constexpr int64_t kPicturesAtOnce = 32;

struct ScoredSequence {
  std::vector<int64_t> ids;
  int64_t image = 0;
};

// Calls handle(first, pairs' output) for runs of the sequences.
template <class SequenceOf, class Handle>
void for_outputs(const PixelBert& model, const SampleSource& source, size_t count, const SequenceOf& sequence_of,
                 const Handle& handle) {
  const NoGrad scope;
  const Device device = model.semantic.value().device();
  for (size_t held = 0; held < count; held += kHeld) {
    const size_t end = std::min(count, held + kHeld);
    PictureGroups groups(model.config, source.options().norm, kPicturesAtOnce);
    std::vector<ScoredSequence> sequences;
    std::vector<CellRange> ranges;
    for (size_t i = held; i < end; ++i) {
      sequences.push_back(sequence_of(i));
      ranges.push_back(groups.add(sequences.back().image, [&] { return source.resized(sequences.back().image); }));
    }
    std::vector<Variable> tables;
    for (const Tensor& pictures : groups.finish())
      tables.push_back(model.grids(Variable(pictures.to(device)), false).pixels);
    for (size_t first = held; first < end; first += kSequences) {
      PixelBertPairs pairs;
      pairs.pixels = tables;
      for (size_t i = first; i < std::min(end, first + kSequences); ++i) {
        Random unused(0);
        pairs.texts.push_back(std::move(sequences[i - held].ids));
        pairs.pictures.push_back(ranges[i - held]);
        pairs.selected.push_back(sample_cells(ranges[i - held].count, 0, unused));
      }
      handle(first, model(pairs, {}));
    }
  }
}

}  // namespace

std::vector<double> match_scores(const PixelBert& model, const SampleSource& source,
                                 std::span<const CaptionedPicture> pairs) {
  std::vector<double> out;
  const auto sequence_of = [&](size_t i) { return ScoredSequence{source.text(pairs[i].caption).ids, pairs[i].image}; };
  for_outputs(model, source, pairs.size(), sequence_of, [&](size_t, const PixelBert::Output& output) {
    const std::vector<float> scores = model.match_scores(output).value().to(Device{}).to_vector<float>();
    for (size_t i = 0; i < scores.size(); i += 2)
      out.push_back(static_cast<double>(scores[i + 1]) - static_cast<double>(scores[i]));
  });
  return out;
}

std::vector<bool> masked_word_hits(const PixelBert& model, const SampleSource& source,
                                   std::span<const MaskedCaption> texts) {
  std::vector<bool> out;
  const auto sequence_of = [&](size_t i) { return ScoredSequence{texts[i].masking.ids, texts[i].image}; };
  for_outputs(model, source, texts.size(), sequence_of, [&](size_t first, const PixelBert::Output& output) {
    const std::vector<int64_t> begins = output.cu_seqlens.to_vector<int64_t>();
    std::vector<int64_t> rows;
    for (size_t i = 0; i + 1 < begins.size(); ++i) {
      const std::vector<int64_t>& labels = texts[first + i].masking.labels;
      for (size_t t = 0; t < labels.size(); ++t)
        if (labels[t] != kIgnoreLabel) rows.push_back(begins[i] + static_cast<int64_t>(t));
    }
    std::vector<int64_t> guesses;
    if (!rows.empty()) {
      const Tensor scores = model.word_scores(output, Tensor::from(rows)).value();
      guesses = ops::argmax(scores, 1, false).to(Device{}).to_vector<int64_t>();
    }
    size_t next = 0;
    for (size_t i = 0; i + 1 < begins.size(); ++i) {
      const std::vector<int64_t>& labels = texts[first + i].masking.labels;
      bool any = false, all = true;
      for (const int64_t label : labels) {
        if (label == kIgnoreLabel) continue;
        any = true;
        all = guesses[next++] == label && all;
      }
      out.push_back(any && all);
    }
  });
  return out;
}

}  // namespace tessera
