#include "models/pixelbert/initialise.h"

#include <cmath>
#include <numbers>

#include "nn/init.h"

namespace tessera {
namespace {

// Row i gets sqrt(2) cos(π k i / (rows - 1)) for k = 1, 2, …, twice: once in each of the two quarters of the channels
// from `first` on.
void add_cosines(Variable& table, int64_t first) {
  Tensor& values = table.mutable_value();
  const int64_t rows = values.size(0), hidden = values.size(1), frequencies = hidden / 8;
  float* out = values.mutable_data<float>();
  for (int64_t i = 0; i < rows; ++i) {
    const double place = rows > 1 ? static_cast<double>(i) / static_cast<double>(rows - 1) : 0;
    for (int64_t k = 0; k < frequencies; ++k) {
      const auto cosine =
          static_cast<float>(std::numbers::sqrt2 * std::cos(std::numbers::pi * static_cast<double>(k + 1) * place));
      out[i * hidden + first + k] += cosine;
      out[i * hidden + first + frequencies + k] += cosine;
    }
  }
}

}  // namespace

void initialise(PixelBert& model, const PixelBertInit& init, uint64_t seed) {
  model.visit("", [&](const std::string& name, Variable& parameter) {
    // Biases, norms and the embedding that tells cells from words are constructed with their initial values.
    if (!parameter.requires_grad() || parameter.shape().dim() < 2) return;
    const Shape& shape = parameter.shape();
    if (name.starts_with("visual.backbone."))
      init_normal_(parameter, name, seed, std::sqrt(2.0 / static_cast<double>(shape[0] * shape[2] * shape[3])));
    else if (!init.fan_in || name.ends_with("_embeddings.weight"))
      init_normal_(parameter, name, seed, init.std);
    else
      init_fan_in_(parameter, name, seed);
  });
  if (!init.cosine_positions || !model.row_embeddings) return;
  add_cosines(model.column_embeddings->weight, 0);
  add_cosines(model.row_embeddings->weight, model.config.bert.hidden_size / 8 * 2);
}

}  // namespace tessera
