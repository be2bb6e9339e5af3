// VSE++ (Faghri, Fleet, Kiros, Fidler: "VSE++: Improving Visual-Semantic Embeddings with Hard Negatives", BMVC 2018): a
// picture's features and a text's last state of a recurrent network, each brought into one space by one step. Of the
// classes that ViLT's paper tells apart it is the one that spends most on the picture, less on the text and nothing on
// their fusion.
//
// Parameters have the published names, those of the picture's side below img_enc., those of the text's below txt_enc..
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "models/parts/resnet.h"
#include "nn/embedding.h"
#include "nn/gru.h"
#include "nn/linear.h"

namespace tessera {

enum class VseMeasure : uint8_t {
  cosine,  // of unit vectors
  order,   // -|max(0, text - picture)|: what a text demands beyond what the picture has (Vendrov et al., ICLR 2016)
};

struct VseConfig {
  int64_t vocab = 0, word_dim = 300;
  int64_t embed = 1024;              // of the common space, and of the recurrent state
  int64_t layers = 1;                // of the recurrent network
  int64_t features = 2048;           // of a picture that is given by its features
  std::optional<ResNetOptions> cnn;  // or the network that makes them of its pixels
  VseMeasure measure = VseMeasure::cosine;
  bool normalise_images = true;  // to length 1
  bool absolute = false;         // absolute values of both, as order embeddings are

  // Pixels: the square in the middle of which a picture is laid, or which is its middle; where there is `cnn`.
  int64_t image_size = 224;

  // The fields of the published options, as JSON: vocab, word_dim, embed, layers, measure ("cosine" or "order"),
  // no_imgnorm, use_abs, features or resnet {block, layers, widths, stem}, image_size. Errors begin with `origin`.
  static VseConfig from_json(const std::string& text, const std::string& origin);
  std::string to_json() const;
};

// Texts, packed one after the other.
struct VseTexts {
  Tensor ids;         // i64 [words]
  Tensor cu_seqlens;  // i64 [texts + 1]
  // An empty text is an error.
  static VseTexts of(const std::vector<std::vector<int64_t>>& texts);
};

struct Vse {
  VseConfig config;
  std::optional<ResNet> cnn;  // img_enc.cnn
  Linear image_projection;    // img_enc.fc [embed, features]
  Embedding words;            // txt_enc.embed
  GruLayers rnn;              // txt_enc.rnn

  explicit Vse(const VseConfig& config);
  // features [n, features], of unit length as they are published → [n, embed].
  Variable image_embeddings(const Variable& features) const;
  // What the network says of pixels [n, 3, height, width], before it is brought to length 1: [n, features].
  Variable cnn_features(const Variable& pixels, bool training) const;
  // Of pixels, by both: [n, embed].
  Variable image_embeddings_of_pixels(const Variable& pixels, bool training) const;
  // The outputs of the recurrent network, [words, embed], and the texts' embeddings, [texts, embed].
  struct TextOutput {
    Variable states, last, embeddings;
  };
  TextOutput text_embeddings(const VseTexts& texts) const;
  // [images, embed] and [texts, embed] → [images, texts].
  Variable similarity(const Variable& images, const Variable& texts) const;
  void visit(const std::string& prefix, const ParameterVisitor& visitor);
};

// The similarity of one picture's embedding and one text's, in f64.
double vse_score(VseMeasure measure, const float* picture, const float* text, int64_t size);

}  // namespace tessera
