#include "models/vse/model.h"

#include <cmath>

#include <nlohmann/json.hpp>

#include "io/config_fields.h"
#include "io/strict_json.h"

namespace tessera {
namespace {

using nlohmann::json;

std::vector<int64_t> whole_numbers(const json& object, const char* field, const std::string& origin) {
  const auto list = object.find(field);
  check(list != object.end() && list->is_array() && list->size() >= 1 && list->size() <= 16, origin, ": field 'resnet.",
        field, "' is no list of 1 to 16 whole numbers");
  std::vector<int64_t> out;
  for (const json& number : *list) {
    check(number.is_number_unsigned() && number >= 1 && number <= 1 << 16, origin, ": field 'resnet.", field,
          "' has the value ", list->dump(), ", expected whole numbers from 1 to 65536");
    out.push_back(number.get<int64_t>());
  }
  return out;
}

ResNetOptions resnet_of(const json& object, const std::string& origin) {
  ResNetOptions out;
  std::string block = "bottleneck";
  ConfigFields(object, origin, "resnet.").read("block", block);
  check(block == "bottleneck" || block == "basic", origin, ": field 'resnet.block' is ", quoted_text(block),
        ", expected \"bottleneck\" or \"basic\"");
  out.bottleneck = block == "bottleneck";
  out.layers = whole_numbers(object, "layers", origin);
  out.widths = whole_numbers(object, "widths", origin);
  ConfigFields(object, origin, "resnet.").read("stem", out.stem);
  check(out.stem >= 0 && out.stem <= 1 << 16, origin, ": field 'resnet.stem' is ", out.stem, ", expected 0 to 65536");
  return out;
}

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

VseConfig VseConfig::from_json(const std::string& source, const std::string& origin) {
  const json root = parse_strict_json(source, origin);
  const ConfigFields fields(root, origin);
  VseConfig out;
  fields.read("vocab", out.vocab);
  fields.read("word_dim", out.word_dim);
  fields.read("embed", out.embed);
  fields.read("layers", out.layers);
  fields.read("features", out.features);
  bool unnormalised = false;
  std::string measure = "cosine";
  fields.read("no_imgnorm", unnormalised);
  fields.read("use_abs", out.absolute);
  fields.read("measure", measure);
  check(measure == "cosine" || measure == "order", origin, ": field 'measure' is ", quoted_text(measure),
        ", expected \"cosine\" or \"order\"");
  out.normalise_images = !unnormalised;
  out.measure = measure == "order" ? VseMeasure::order : VseMeasure::cosine;
  fields.read("image_size", out.image_size);
  check(out.image_size >= 1 && out.image_size <= 1 << 14, origin, ": field 'image_size' is ", out.image_size,
        ", expected 1 to ", 1 << 14);
  if (fields.given("resnet")) {
    out.cnn = resnet_of(root.at("resnet"), origin);
    out.features = out.cnn->features();
  }
  const std::pair<const char*, int64_t> sizes[] = {{"vocab", out.vocab},
                                                   {"word_dim", out.word_dim},
                                                   {"embed", out.embed},
                                                   {"layers", out.layers},
                                                   {"features", out.features}};
  for (const auto& [name, value] : sizes)
    check(value >= 1 && value <= 1 << 24, origin, ": field '", name, "' is ", value, ", expected 1 to ", 1 << 24);
  return out;
}

std::string VseConfig::to_json() const {
  nlohmann::ordered_json root;
  root["model_type"] = "vse";
  root["vocab"] = vocab;
  root["word_dim"] = word_dim;
  root["embed"] = embed;
  root["layers"] = layers;
  root["measure"] = measure == VseMeasure::order ? "order" : "cosine";
  root["no_imgnorm"] = !normalise_images;
  root["use_abs"] = absolute;
  if (cnn) {
    nlohmann::ordered_json& network = root["resnet"];
    network["block"] = cnn->bottleneck ? "bottleneck" : "basic";
    network["layers"] = cnn->layers;
    network["widths"] = cnn->widths;
    network["stem"] = cnn->stem;
    root["image_size"] = image_size;
  } else {
    root["features"] = features;
  }
  return root.dump(2) + "\n";
}

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
