#include "models/regions/load.h"

#include <algorithm>

#include "io/files.h"
#include "io/printable.h"
#include "io/weights/weight_file.h"
#include "models/regions/coco_names.h"
#include "train/checkpoint.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

RegionClasses names_in(const fs::path& file) {
  RegionClasses out;
  for_each_line(file_pieces(file), [&](std::string_view line) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    out.emplace_back(line);
  });
  return out;
}

RegionClasses class_names(const DetectorLoadOptions& options, int64_t classes) {
  if (!options.classes.empty()) {
    RegionClasses out = names_in(options.classes);
    check(static_cast<int64_t>(out.size()) == classes, shown(options.classes), ": ", out.size(),
          " names, but the detector has ", classes, " classes with background");
    return out;
  }
  if (classes == static_cast<int64_t>(kCocoNames.size())) return {kCocoNames.begin(), kCocoNames.end()};
  RegionClasses out{"background"};
  for (int64_t i = 1; i < classes; ++i) out.push_back(text("class ", i));
  return out;
}

const Tensor& tensor_at(const NamedTensors& tensors, const std::string& name, int dimensions,
                        const std::string& source) {
  const auto found = tensors.find(name);
  check(found != tensors.end(), source, ": there is no tensor '", name,
        "'; not a Faster R-CNN with a feature pyramid as torchvision names it");
  check(found->second.dim() == dimensions, source, ": tensor '", name, "' is ", describe(found->second), ", expected ",
        dimensions, " dimensions");
  return found->second;
}

// Before memory is taken: a configuration is untrusted, and asks for no more than the file beside it has, but for
// layers that are smaller than these.
void check_size(const RegionsConfig& config, const NamedTensors& tensors, const std::string& source) {
  const auto square = [](int64_t side) { return static_cast<double>(side) * static_cast<double>(side); };
  double wanted = 5 * static_cast<double>(config.classes) * static_cast<double>(config.features()), there = 0;
  for (size_t stage = 0; stage < config.cnn.widths.size(); ++stage)
    wanted += 9 * square(config.cnn.widths[stage]) * static_cast<double>(config.cnn.layers[stage]);
  if (config.pyramid)
    wanted += 45 * square(config.channels) + square(config.representation) +
              static_cast<double>(config.channels) * static_cast<double>(config.bins.area()) *
                  static_cast<double>(config.representation);
  for (const auto& [name, tensor] : tensors) there += static_cast<double>(tensor.numel());
  check(wanted <= there, source, ": has ", there, " numbers, fewer than the ", wanted,
        " that its configuration asks for in some layers alone");
}

LoadedDetector built(const DetectorFile& of, const NamedTensors& tensors, const std::string& source, Device device) {
  LoadedDetector out;
  check_size(of.config, tensors, source);
  out.source = source;
  out.labels = of.labels;
  out.model = std::make_unique<FasterRcnn>(of.config);
  out.parameters = std::make_unique<ParameterSet>(*out.model, DType::f32, "", device);
  out.parameters->load_state(tensors, source);
  return out;
}

bool is_name(std::string_view name) {
  return name.starts_with("backbone.") || name.starts_with("rpn.") || name.starts_with("roi_heads.");
}

}  // namespace

NamedTensors torchvision_names(const NamedTensors& file, const std::string& source, bool* first) {
  NamedTensors out;
  bool renamed = false;
  for (const auto& [name, tensor] : file) {
    if (name.ends_with(".num_batches_tracked")) continue;
    std::string now = name;
    const size_t dot = name.rfind('.');
    const std::string layer = name.substr(0, dot), part = dot == std::string::npos ? "" : name.substr(dot);
    const bool pyramid = layer.starts_with("backbone.fpn.") && std::count(layer.begin(), layer.end(), '.') == 3;
    if (layer == "rpn.head.conv") now = layer + ".0.0" + part;
    if (pyramid) now = layer + ".0" + part;
    renamed |= now != name;
    check(out.emplace(now, tensor).second, source, ": two tensors stand for '", now, "'");
  }
  if (first != nullptr) *first = renamed;
  return out;
}

RegionsConfig torchvision_config(const NamedTensors& tensors, bool first, const std::string& source) {
  RegionsConfig out;
  const auto at = [&](const std::string& name, int dimensions) -> const Tensor& {
    return tensor_at(tensors, name, dimensions, source);
  };
  out.cnn.stem = at("backbone.body.conv1.weight", 4).size(0);
  for (size_t stage = 0; stage < 4; ++stage) {
    out.cnn.widths[stage] = at(text("backbone.body.layer", stage + 1, ".0.conv2.weight"), 4).size(0);
    int64_t blocks = 1;
    while (tensors.contains(text("backbone.body.layer", stage + 1, '.', blocks, ".conv2.weight"))) ++blocks;
    out.cnn.layers[stage] = blocks;
  }
  out.channels = at("backbone.fpn.inner_blocks.0.0.weight", 4).size(0);
  out.representation = at("roi_heads.box_head.fc7.weight", 2).size(0);
  out.classes = at("roi_heads.box_predictor.cls_score.weight", 2).size(0);
  const int64_t anchors = at("rpn.head.cls_logits.weight", 4).size(0);
  check(anchors == 3, source, ": ", anchors, " anchors at a place, expected torchvision's 3 ratios of one size");
  if (first) out.norm_eps = 0;
  return out;
}

LoadedDetector load_detector(const fs::path& path, const DetectorLoadOptions& options) {
  const auto tell = [&](const std::string& line) {
    if (options.report) options.report(line);
  };
  fs::path folder = path;
  if (const auto checkpoint = fs::is_directory(path) ? newest_checkpoint(path) : std::nullopt) folder = *checkpoint;
  if (fs::exists(folder / "regions.json")) {
    const std::vector<uint8_t> bytes = read_file(folder / "regions.json", uint64_t{1} << 24);
    DetectorFile of = parse_detector_json({bytes.begin(), bytes.end()}, shown(folder / "regions.json"));
    if (!options.classes.empty()) of.labels.classes = class_names(options, of.config.classes);
    const std::string file = (folder / "model.safetensors").string();
    return built(of, load_safetensors(file).tensors, shown(file), options.device);
  }
  check(holds_weights(folder), shown(path), ": holds neither regions.json nor a file of weights");
  const WeightFile file = read_weight_file(folder, is_name);
  for (const std::string& note : file.notes) tell(note);
  bool first = false;
  const NamedTensors tensors = torchvision_names(file.tensors, file.source, &first);
  DetectorFile of;
  of.config = torchvision_config(tensors, first, file.source);
  of.labels.classes = class_names(options, of.config.classes);
  tell(text("torchvision's Faster R-CNN, ", of.config.classes, " classes with background",
            first ? ", in its first naming: norms without eps" : ""));
  return built(of, tensors, file.source, options.device);
}

}  // namespace tessera
