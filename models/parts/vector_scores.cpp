#include "models/parts/vector_scores.h"

#include <algorithm>
#include <map>

namespace tessera {
namespace {

// The vectors of all numbers that occur, each once.
class Vectors {
 public:
  Vectors(std::span<const int64_t> numbers, const VectorsOf& vectors_of, size_t batch) {
    std::vector<int64_t> distinct(numbers.begin(), numbers.end());
    std::sort(distinct.begin(), distinct.end());
    distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
    for (size_t first = 0; first < distinct.size(); first += batch) {
      const auto part = std::span(distinct).subspan(first, std::min(batch, distinct.size() - first));
      const Tensor vectors = vectors_of(part);
      check(vectors.dim() == 2 && vectors.size(0) == static_cast<int64_t>(part.size()), "vectors: ", vectors.shape(),
            " of ", part.size(), " samples");
      size_ = vectors.size(1);
      const std::vector<float> values = vectors.to_vector<float>();
      values_.insert(values_.end(), values.begin(), values.end());
    }
    for (size_t i = 0; i < distinct.size(); ++i) row_.emplace(distinct[i], i);
  }
  int64_t size() const { return size_; }
  const float* of(int64_t number) const { return values_.data() + row_.at(number) * static_cast<size_t>(size_); }

 private:
  std::map<int64_t, size_t> row_;
  std::vector<float> values_;
  int64_t size_ = 0;
};

}  // namespace

double inner_product(const float* x, const float* y, int64_t size) {
  double sum = 0;
  for (int64_t i = 0; i < size; ++i) sum += double{x[i]} * y[i];
  return sum;
}

std::vector<double> vector_scores(std::span<const int64_t> captions, std::span<const int64_t> pictures,
                                  const VectorsOf& texts, const VectorsOf& images, const VectorScore& score,
                                  size_t batch) {
  check(captions.size() == pictures.size(), "vectors: ", captions.size(), " captions for ", pictures.size(),
        " pictures");
  const Vectors of_texts(captions, texts, batch), of_pictures(pictures, images, batch);
  check(of_texts.size() == of_pictures.size(), "vectors: texts have ", of_texts.size(), " numbers, pictures ",
        of_pictures.size());
  std::vector<double> out(captions.size());
  for (size_t i = 0; i < out.size(); ++i)
    out[i] = score(of_pictures.of(pictures[i]), of_texts.of(captions[i]), of_texts.size());
  return out;
}

}  // namespace tessera
