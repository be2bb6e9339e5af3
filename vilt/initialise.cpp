#include "vilt/initialise.h"

#include <cmath>
#include <numbers>

#include "nn/init.h"

namespace tessera {
namespace {

bool is_table(const std::string& name) {
  for (const char* table : {"word_embeddings.weight", "position_embeddings.weight", "token_type_embeddings.weight",
                            "embeddings.cls_token", "vilt.embeddings.position_embeddings"})
    if (name.ends_with(table)) return true;
  return false;
}

// Adds to row 1 + y · side + x, for quarters of the channels: cosines of x, cosines of y, nothing in the upper half.
void add_cosine_grid(Variable& table, int side) {
  Tensor& values = table.mutable_value();
  const int64_t hidden = values.size(1);
  const int64_t frequencies = hidden / 8;
  float* rows = values.mutable_data<float>();
  const auto position = [&](int i) { return side > 1 ? static_cast<double>(i) / (side - 1) : 0.0; };
  for (int y = 0; y < side; ++y) {
    for (int x = 0; x < side; ++x) {
      float* row = rows + (1 + int64_t{y} * side + x) * hidden;
      for (int64_t k = 0; k < frequencies; ++k) {
        const double w = std::numbers::pi * static_cast<double>(k + 1);
        const auto cx = static_cast<float>(std::numbers::sqrt2 * std::cos(w * position(x)));
        const auto cy = static_cast<float>(std::numbers::sqrt2 * std::cos(w * position(y)));
        row[k] += cx;
        row[frequencies + k] += cx;
        row[2 * frequencies + k] += cy;
        row[3 * frequencies + k] += cy;
      }
    }
  }
}

}  // namespace

void initialise(ViltWithHeads& model, const Settings::Init& init, uint64_t seed) {
  model.visit("", [&](const std::string& name, Variable& parameter) {
    // Biases and LayerNorms are constructed with their initial values, and so is the mask token: zero, as the authors'.
    if (parameter.shape().dim() < 2 || name.ends_with("embeddings.mask_token")) return;
    if (is_table(name) || init.linear == "normal")
      init_normal_(parameter, name, seed, init.std);
    else if (init.linear == "truncated_normal")
      init_truncated_normal_(parameter, name, seed, init.std);
    else
      init_fan_in_(parameter, name, seed);
  });
  if (init.positions == "cosine") add_cosine_grid(model.vilt.position_embeddings, model.vilt.config.table_side());
}

}  // namespace tessera
