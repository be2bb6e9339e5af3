#include <nlohmann/json.hpp>

#include "io/config_fields.h"
#include "io/strict_json.h"
#include "models/vse/model.h"

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

}  // namespace tessera
