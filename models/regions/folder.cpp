#include "models/regions/folder.h"

#include <nlohmann/json.hpp>

#include "io/files.h"
#include "io/printable.h"
#include "io/safetensors.h"
#include "io/strict_json.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char *kModel = "model.safetensors", *kConfig = "regions.json";

// Calls `field(name, value)` for every field of a configuration, in one order for reading and writing.
template <class Config, class Field>
void visit_fields(Config& c, const Field& field) {
  field("pyramid", c.pyramid);
  field("cnn_layers", c.cnn.layers);
  field("cnn_widths", c.cnn.widths);
  field("cnn_stem", c.cnn.stem);
  field("norm_eps", c.norm_eps);
  field("channels", c.channels);
  field("representation", c.representation);
  field("dilated", c.dilated);
  field("anchor_sizes", c.anchor_sizes);
  field("aspect_ratios", c.aspect_ratios);
  field("bin_rows", c.bins.height);
  field("bin_columns", c.bins.width);
  field("sampling", c.sampling);
  field("canonical_size", c.canonical_size);
  field("canonical_level", c.canonical_level);
  field("min_size", c.min_size);
  field("max_size", c.max_size);
  field("image_mean", c.mean);
  field("image_std", c.deviation);
  for (auto& [name, rule] : {std::pair{"proposals", &c.proposals}, {"training_proposals", &c.training_proposals}}) {
    field(text(name, "_before_nms"), rule->before_nms);
    field(text(name, "_after_nms"), rule->after_nms);
    field(text(name, "_nms"), rule->nms);
    field(text(name, "_score"), rule->score);
    field(text(name, "_shortest"), rule->shortest);
  }
  for (auto& [name, sampling] : {std::pair{"anchors", &c.anchors}, {"regions", &c.regions}}) {
    field(text(name, "_high"), sampling->high);
    field(text(name, "_low"), sampling->low);
    field(text(name, "_count"), sampling->count);
    field(text(name, "_fraction"), sampling->fraction);
  }
  field("detections_score", c.detections.score);
  field("detections_nms", c.detections.nms);
  field("detections_shortest", c.detections.shortest);
  field("detections_count", c.detections.count);
}

// What would take memory or time without bound, or divide by zero.
void validate(const RegionsConfig& c, const std::string& origin) {
  constexpr int64_t kMost = 1 << 16;
  const auto between = [&](const char* name, double value, double least, double most) {
    check(value >= least && value <= most, origin, ": ", name, " is ", value, ", expected ", least, " to ", most);
  };
  check(c.cnn.layers.size() == 4 && c.cnn.widths.size() == 4, origin, ": cnn_layers and cnn_widths are of ",
        c.cnn.layers.size(), " and ", c.cnn.widths.size(), " stages, expected 4");
  for (const int64_t layers : c.cnn.layers) between("a number of cnn_layers", static_cast<double>(layers), 1, 1000);
  for (const int64_t width : c.cnn.widths) between("one of cnn_widths", static_cast<double>(width), 1, kMost);
  between("cnn_stem", static_cast<double>(c.cnn.stem), 0, kMost);
  between("norm_eps", c.norm_eps, 0, 1);
  between("channels", static_cast<double>(c.channels), 1, kMost);
  between("representation", static_cast<double>(c.representation), 1, kMost);
  between("the number of aspect_ratios", static_cast<double>(c.aspect_ratios.size()), 1, 100);
  for (const double ratio : c.aspect_ratios) between("one of aspect_ratios", ratio, 1e-3, 1e3);
  for (const auto& level : c.anchor_sizes) {
    between("the number of anchor_sizes of a level", static_cast<double>(level.size()), 1, 100);
    for (const double size : level) between("one of anchor_sizes", size, 1e-3, 1e6);
  }
  between("bin_rows", static_cast<double>(c.bins.height), 1, 100);
  between("bin_columns", static_cast<double>(c.bins.width), 1, 100);
  between("sampling", static_cast<double>(c.sampling), 0, 100);
  between("canonical_size", c.canonical_size, 1e-3, 1e6);
  between("canonical_level", static_cast<double>(c.canonical_level), -100, 100);
  between("min_size", c.min_size, 1, kMost);
  between("max_size", c.max_size, 1, kMost);
  for (const double deviation : c.deviation) between("one of image_std", deviation, 1e-6, 1e6);
  for (const double mean : c.mean) between("one of image_mean", mean, -1e6, 1e6);
  for (const ProposalRule* rule : {&c.proposals, &c.training_proposals}) {
    between("a number of proposals", static_cast<double>(std::min(rule->before_nms, rule->after_nms)), 1, 1e9);
    between("the proposals' nms", rule->nms, 0, 1);
  }
  for (const BoxSampling* sampling : {&c.anchors, &c.regions}) {
    between("a number of samples", static_cast<double>(sampling->count), 1, 1e9);
    between("a fraction of samples", sampling->fraction, 0, 1);
  }
  between("detections_count", static_cast<double>(c.detections.count), 1, 1e9);
}

std::vector<std::string> names_of(const nlohmann::json& root, const char* field, size_t least,
                                  const std::string& origin) {
  const auto found = root.find(field);
  check(found != root.end() && found->is_array() && found->size() >= least, origin, ": field '", field,
        "' is not a list of ", least, " or more names");
  std::vector<std::string> out;
  for (const nlohmann::json& name : *found) {
    check(name.is_string(), origin, ": field '", field, "': entry ", out.size(), " is ", described_type(name),
          ", expected a string");
    out.push_back(name.get<std::string>());
  }
  return out;
}

std::string read_text(const fs::path& file) {
  const std::vector<uint8_t> bytes = read_file(file, uint64_t{1} << 24);
  return {bytes.begin(), bytes.end()};
}

}  // namespace

std::string detector_json(const RegionsConfig& config, const RegionLabels& labels) {
  Json out = {{"model_type", "faster-rcnn"}};
  visit_fields(config, [&](const std::string& name, const auto& value) { out[name] = value; });
  out["classes"] = labels.classes;
  out["attributes"] = labels.attributes;
  return out.dump(2) + "\n";
}

DetectorFile parse_detector_json(const std::string& json, const std::string& origin) {
  const nlohmann::json root = parse_strict_json(json, origin);
  check(root.is_object() && root.value("model_type", nlohmann::json()) == "faster-rcnn", origin,
        ": expected an object with \"model_type\": \"faster-rcnn\"");
  DetectorFile out;
  visit_fields(out.config, [&](const std::string& name, auto& value) {
    const auto found = root.find(name);
    check(found != root.end(), origin, ": there is no field '", name, "'");
    try {
      // nlohmann turns numbers into truth values and fractions into whole numbers without a word.
      using T = std::remove_cvref_t<decltype(value)>;
      if constexpr (std::is_same_v<T, bool>) check(found->is_boolean(), "");
      if constexpr (std::is_same_v<T, int64_t>) check(found->is_number_integer(), "");
      if constexpr (std::is_same_v<T, double>) check(found->is_number(), "");
      found->get_to(value);
    } catch (const std::exception&) {
      fail(origin, ": field '", name, "' is ", described_type(*found), ", of another type than it has to be");
    }
  });
  out.labels.classes = names_of(root, "classes", 2, origin);
  out.labels.attributes = names_of(root, "attributes", 0, origin);
  out.config.classes = static_cast<int64_t>(out.labels.classes.size());
  out.config.attributes = static_cast<int64_t>(out.labels.attributes.size());
  validate(out.config, origin);
  return out;
}

void save_detector(const fs::path& folder, const RegionsConfig& config, const RegionLabels& labels,
                   const ParameterSet& parameters) {
  save_safetensors((folder / kModel).string(), parameters.state(), {{"format", "pt"}});
  write_file_atomically(folder / kConfig, detector_json(config, labels), Durability::power);
}

std::function<void()> open_detector(const fs::path& folder, const RegionsConfig& config, const RegionLabels& labels,
                                    ParameterSet& parameters) {
  const std::string written = read_text(folder / kConfig);
  check(written == detector_json(config, labels), shown(folder / kConfig),
        ": is of a detector with other settings or classes; use --fresh to start over or train.out=FOLDER for another "
        "place");
  const std::string path = (folder / kModel).string();
  const SafeTensors file = load_safetensors(path);
  const std::string differences = compare_state(parameters.state(), file.tensors);
  check(differences.empty(), shown(path), ": does not fit the detector:\n", differences);
  return [&parameters, state = file.tensors, path] { parameters.load_state(state, path); };
}

}  // namespace tessera
