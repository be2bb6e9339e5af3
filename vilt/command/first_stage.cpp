#include "vilt/command/first_stage.h"

#include <algorithm>
#include <memory>

#include "autograd/tape.h"
#include "io/printable.h"
#include "models/clip/embedder.h"
#include "models/vse/load.h"
#include "tensor/ops/matmul.h"
#include "tensor/parallel.h"

namespace tessera::command {
namespace {

namespace fs = std::filesystem;

TwoTowers clip_towers(const fs::path& place) {
  EmbedderOptions options;
  options.truncate = true;
  const auto embedder = std::make_shared<const ClipEmbedder>(place, options);
  TwoTowers out;
  out.described = "CLIP, " + shown(place);
  out.texts = [embedder](const auto& texts) { return embedder->texts(texts); };
  out.pictures = [embedder](const auto& files) {
    std::vector<PreparedPicture> prepared(files.size());
    parallel_for(static_cast<int64_t>(files.size()), 1, [&](int64_t begin, int64_t end) {
      for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i)
        prepared[i] = embedder->prepared(files[i]);
    });
    return embedder->pictures(prepared);
  };
  out.similarity = [](const Tensor& pictures, const Tensor& texts) {
    return ops::matmul(pictures, texts.transpose(0, 1));
  };
  return out;
}

TwoTowers vse_towers(const fs::path& place) {
  const auto vse = std::make_shared<const LoadedVse>(load_vse(place));
  TwoTowers out;
  out.described = "VSE++, " + shown(place);
  out.texts = [vse](const auto& texts) { return vse->texts(texts); };
  out.pictures = [vse](const auto& files) { return vse->images(files); };
  out.similarity = [vse](const Tensor& pictures, const Tensor& texts) {
    const NoGrad no_grad;
    return vse->model->similarity(Variable(pictures), Variable(texts)).value();
  };
  return out;
}

// All rows, so many at a time.
template <class T>
Tensor in_parts(const std::vector<T>& all, const std::function<Tensor(const std::vector<T>&)>& vectors_of) {
  constexpr size_t kBatch = 64;
  std::vector<float> values;
  int64_t size = 0;
  for (size_t first = 0; first < all.size(); first += kBatch) {
    const auto begin = all.begin() + static_cast<std::ptrdiff_t>(first);
    const auto end = all.begin() + static_cast<std::ptrdiff_t>(std::min(first + kBatch, all.size()));
    const Tensor part = vectors_of({begin, end});
    size = part.size(1);
    const std::vector<float> more = part.to_vector<float>();
    values.insert(values.end(), more.begin(), more.end());
  }
  return Tensor::from(values, {static_cast<int64_t>(all.size()), size});
}

}  // namespace

std::optional<TwoTowers> two_towers(const fs::path& place) {
  if (place.empty() || !fs::exists(place)) return std::nullopt;
  if (fs::is_directory(place)) {
    if (is_vse(place)) return vse_towers(place);
    check(is_clip(place), shown(place),
          ": neither CLIP's nor VSE++'s, expected a run of theirs, a folder with CLIP's "
          "weights or a file of scores (--first-stage)");
    return clip_towers(place);
  }
  return std::nullopt;
}

Tensor tower_scores(const TwoTowers& towers, const std::vector<fs::path>& pictures,
                    const std::vector<std::string>& texts) {
  const Tensor of_texts = in_parts<std::string>(texts, towers.texts);
  const Tensor of_pictures = in_parts<fs::path>(pictures, towers.pictures);
  // A slice of the pictures at a time: an order similarity has an intermediate of the size of its pairs.
  Tensor scores = Tensor::empty({of_pictures.size(0), of_texts.size(0)});
  for (int64_t first = 0; first < of_pictures.size(0); first += 64) {
    const int64_t count = std::min<int64_t>(64, of_pictures.size(0) - first);
    scores.narrow(0, first, count).copy_(towers.similarity(of_pictures.narrow(0, first, count).contiguous(), of_texts));
  }
  return scores;
}

}  // namespace tessera::command
