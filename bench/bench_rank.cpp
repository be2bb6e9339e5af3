// The ranking of captions and pictures, each with each, by the engine that `vilt eval` has.
#include "bench/bench_model.h"
#include "tensor/philox.h"
#include "vilt/ranking/ranking.h"

namespace tessera::bench {

// Of picture i of a ragged ranking: landscape and portrait in turn, the longer side from 4/3 of the shorter on, as
// photographs have it. Its shorter side is that of the position table.
Grid picture_grid(const ModelSize& size, int i, bool ragged) {
  if (!ragged) return {static_cast<int>(size.grid_rows), static_cast<int>(size.grid_columns)};
  const int side = static_cast<int>(size.table_side), longer = side * 4 / 3 + i / 2 % (side / 3);
  return i % 2 ? Grid{longer, side} : Grid{side, longer};
}

// Of caption c of `count`, with [CLS] and [SEP]: 6 to 20 words of a text of 40 tokens, in proportion where there are
// fewer.
int64_t caption_length(const ModelSize& size, int c, int count, bool ragged) {
  if (!ragged) return size.words;
  return 2 + (6 + 14 * c / std::max(1, count - 1)) * size.words / 40;
}

// Up to `batch` pairs of a caption and a picture, as near to a square as its divisors are, with everything from token
// ids and normalised patches to scores on the host.
void bench_rank(const Arguments& arguments) {
  const ModelSize& size = model_size(arguments.model);
  ViltWithHeads model = make_model(size);
  const ParameterSet parameters(model, DType::f32, "", arguments.device);
  const ForwardContext context{.activations = use_precision(arguments.precision, arguments.device)};
  int captions = 1;
  for (int c = 2; c * c <= arguments.batch; ++c)
    if (arguments.batch % c == 0) captions = c;
  const int pictures = arguments.batch / captions;
  Random random(3);
  std::vector<std::shared_ptr<const PatchedImage>> images;
  RankingTask task;
  task.pictures = pictures;
  task.picture = [&](int64_t i) { return images[static_cast<size_t>(i)]; };
  int64_t tokens = 0;
  for (int i = 0; i < pictures; ++i) {
    const Grid grid = picture_grid(size, i, arguments.ragged);
    images.push_back(std::make_shared<PatchedImage>(noise_image(size, grid, static_cast<uint64_t>(i))));
    tokens += captions * (1 + int64_t{grid.rows} * grid.columns);
  }
  for (int c = 0; c < captions; ++c) {
    std::vector<int64_t>& ids = task.texts.emplace_back();
    for (int64_t t = 0; t < caption_length(size, c, captions, arguments.ragged); ++t)
      ids.push_back(5 + static_cast<int64_t>(random.below(static_cast<uint64_t>(size.vocabulary - 5))));
    tokens += pictures * static_cast<int64_t>(ids.size());
  }
  const auto rank = [&] {
    rank_pairs(PairScorer(model, context), task, [](std::span<const Pair>, std::span<const double>) {});
  };
  measure(arguments, rank, [&](const Milliseconds& ms) -> JsonFields {
    return {{"model", arguments.model},
            {"captions", captions},
            {"images", pictures},
            {"precision", arguments.precision},
            {"ragged", arguments.ragged},
            {"tokens", tokens},
            {"pairs_per_s", rounded(arguments.batch / ms.median * 1e3, 2)}};
  });
}

}  // namespace tessera::bench
