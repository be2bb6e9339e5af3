#include "models/vse/model.h"

#include <cmath>

namespace tessera {
namespace {

Variable absolute_values(const Variable& x) { return relu(x) + relu(-x); }

// [n, d] and [m, d] → -|max(0, text - image)|: [n, m].
Variable order_similarity(const Variable& images, const Variable& texts) {
  const int64_t n = images.size(0), m = texts.size(0), d = images.size(1);
  const Variable lacking = relu(reshape(texts, {1, m, d}) - reshape(images, {n, 1, d}));
  // The published code has a gradient of 0 / 0 where nothing is lacking. The least normal number of f32 makes it 0 and
  // changes no other norm that f32 can tell.
  return -sqrt(sum(square(lacking), 2) + 1.2e-38);
}

}  // namespace

VseTexts VseTexts::of(const std::vector<std::vector<int64_t>>& texts) {
  std::vector<int64_t> ids, marks{0};
  for (const std::vector<int64_t>& text : texts) {
    check(!text.empty(), "vse: text ", marks.size() - 1, " has no words");
    ids.insert(ids.end(), text.begin(), text.end());
    marks.push_back(static_cast<int64_t>(ids.size()));
  }
  return {Tensor::from(ids), Tensor::from(marks)};
}

Vse::Vse(const VseConfig& c)
    : config(c),
      image_projection(c.features, c.embed),
      words(c.vocab, c.word_dim),
      rnn(GruOptions{.input = c.word_dim, .hidden = c.embed, .layers = c.layers}) {
  if (c.cnn) cnn.emplace(*c.cnn);
}

Variable Vse::image_embeddings(const Variable& features) const {
  Variable out = image_projection(features);
  if (config.normalise_images) out = l2_normalise(out, 0);
  return config.absolute ? absolute_values(out) : out;
}

Variable Vse::cnn_features(const Variable& pixels, bool training) const {
  check(cnn.has_value(), "vse: the model takes features of pictures, not pixels");
  return (*cnn)(pixels, training).features();
}

// A picture of which the network says nothing at all is zeros, not NaN.
Variable Vse::image_embeddings_of_pixels(const Variable& pixels, bool training) const {
  return image_embeddings(l2_normalise(cnn_features(pixels, training)));
}

Vse::TextOutput Vse::text_embeddings(const VseTexts& texts) const {
  const GruLayers::States states = rnn(words(texts.ids), texts.cu_seqlens);
  const Variable& last = states.last.back();
  const Variable unit = l2_normalise(last, 0);
  return {states.output, last, config.absolute ? absolute_values(unit) : unit};
}

Variable Vse::similarity(const Variable& images, const Variable& texts) const {
  return config.measure == VseMeasure::order ? order_similarity(images, texts) : matmul(images, transpose(texts, 0, 1));
}

void Vse::visit(const std::string& prefix, const ParameterVisitor& visitor) {
  if (cnn) cnn->visit(join_name(prefix, "img_enc.cnn"), visitor);
  image_projection.visit(join_name(prefix, "img_enc.fc"), visitor);
  words.visit(join_name(prefix, "txt_enc.embed"), visitor);
  rnn.visit(join_name(prefix, "txt_enc.rnn"), visitor);
}

double vse_score(VseMeasure measure, const float* picture, const float* text, int64_t size) {
  double sum = 0;
  for (int64_t i = 0; i < size; ++i) {
    const double lacking = std::max(0.0, double{text[i]} - picture[i]);
    sum += measure == VseMeasure::order ? lacking * lacking : double{picture[i]} * text[i];
  }
  return measure == VseMeasure::order ? -std::sqrt(sum) : sum;
}

}  // namespace tessera
