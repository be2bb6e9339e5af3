#include "tests/golden/ranked_case.h"

#include "tensor/error.h"
#include "vilt/ranking/pair_scorer.h"

namespace tessera::golden {

Tensor ranked(const ViltWithHeads& model, const PackedBatch& packed) {
  std::vector<std::shared_ptr<const PatchedImage>> pictures;
  const float* patch = packed.patches.data<float>();
  for (const Grid& grid : packed.grids) {
    const int64_t values = int64_t{grid.rows} * grid.columns * packed.patches.size(1);
    pictures.push_back(
        std::make_shared<const PatchedImage>(PatchedImage{grid.rows, grid.columns, {patch, patch + values}}));
    patch += values;
  }
  std::vector<std::vector<int64_t>> texts;
  std::vector<Pair> pairs;
  const std::vector<int64_t> ids = packed.token_ids.to_vector<int64_t>();
  for (const int64_t type : packed.token_types.to_vector<int64_t>())
    check(type == 0, "golden: a text of several segments");
  auto begin = ids.begin();
  for (const SequenceLayout& layout : packed.sequences) {
    pairs.push_back({layout.image, static_cast<int64_t>(texts.size())});
    texts.emplace_back(begin, begin + layout.text_length);
    begin += layout.text_length;
  }
  const PairScorer scorer(model, {});
  const std::vector<double> scores = scorer.scores(scorer.texts(texts), scorer.pictures(pictures), pairs);
  return Tensor::from(scores).to(model.vilt.cls_token.dtype());
}

void check_same_order(const PackedBatch& packed, const Tensor& scores, const Tensor& expected) {
  const auto got = scores.to(DType::f64).to_vector<double>(), want = expected.to(DType::f64).to_vector<double>();
  for (size_t a = 0; a < got.size(); ++a)
    for (size_t b = 0; b < got.size(); ++b)
      if (packed.sequences[a].image == packed.sequences[b].image && want[a] > want[b])
        check(got[a] > got[b], "golden: the engine orders sequences ", a, " and ", b, " the other way round");
}

}  // namespace tessera::golden
