// detector_fasterrcnn_fpn, detector_fasterrcnn_c4: torchvision's Faster R-CNN with a feature pyramid and on one map:
// from pictures to detections, and in training, on the samples that the reference has drawn, matches, targets, all four
// losses, their gradients together and apart.
#include <algorithm>

#include "models/regions/detector.h"
#include "tests/golden/device.h"
#include "tests/golden/model_case.h"

namespace tessera::golden {
namespace {

BoxSampling sampling_of(const nlohmann::json& rule, const std::string& what) {
  return {.high = rule.at(what + "_fg"),
          .low = rule.at(what + "_bg"),
          .count = rule.at(what + "_batch"),
          .fraction = rule.at(what + "_fraction")};
}

ProposalRule proposal_rule(const nlohmann::json& rule, const std::string& when) {
  return {.before_nms = rule.at("pre_nms_" + when),
          .after_nms = rule.at("post_nms_" + when),
          .nms = rule.at("rpn_nms"),
          .score = rule.at("rpn_score")};
}

RegionsConfig regions_config(const nlohmann::json& config) {
  RegionsConfig out;
  out.pyramid = config.at("kind") == "fpn";
  out.cnn = {.bottleneck = true,
             .layers = config.at("resnet").get<std::vector<int64_t>>(),
             .widths = config.at("planes").get<std::vector<int64_t>>(),
             .stem = config.at("stem")};
  if (out.pyramid) {
    out.channels = config.at("fpn_channels");
    out.representation = config.at("representation");
  } else {
    out.dilated = config.at("res5_dilation");
  }
  out.classes = config.at("classes");
  out.anchor_sizes = config.at("anchor_sizes").get<std::vector<std::vector<double>>>();
  out.aspect_ratios = config.at("aspect_ratios").get<std::vector<double>>();
  out.bins = {config.at("roi_size")[0], config.at("roi_size")[1]};
  out.sampling = config.at("roi_sampling");
  out.canonical_size = config.at("canonical_scale");
  out.canonical_level = config.at("canonical_level");
  out.min_size = config.at("min_size");
  out.max_size = config.at("max_size");
  for (size_t i = 0; i < 3; ++i) {
    out.mean[i] = config.at("image_mean")[i];
    out.deviation[i] = config.at("image_std")[i];
  }
  const nlohmann::json& rule = config.at("thresholds");
  out.proposals = proposal_rule(rule, "test");
  out.training_proposals = proposal_rule(rule, "train");
  out.anchors = sampling_of(rule, "rpn");
  out.regions = sampling_of(rule, "box");
  out.detections = {.score = rule.at("score"), .nms = rule.at("nms"), .count = rule.at("detections")};
  return out;
}

struct FasterRcnnCase : ModelCase {
  using ModelCase::compare;
  using ModelCase::ModelCase;
  void compare(const std::string& name, const std::vector<int64_t>& got) { compare(name, Tensor::from(got)); }
  // What the host computes in f64 of values in `dtype` is as exact as these.
  void compare(const std::string& name, const Boxes& got, DType dtype) { compare(name, tensor_of(got, dtype)); }
  std::vector<int64_t> rows(const std::string& name) const { return file.at(name).to_vector<int64_t>(); }
  size_t pictures() const { return config.at("images").size(); }
};

PictureBatch batch_of(FasterRcnnCase& golden, const RegionsConfig& config, DType dtype) {
  std::vector<Tensor> pictures;
  for (size_t i = 0; i < golden.pictures(); ++i) pictures.push_back(golden.file.at(text("input.image.", i)));
  PictureBatch out = picture_batch(pictures, config, dtype);
  golden.compare("images", out.pixels);
  std::vector<int64_t> sizes;
  for (const Size2d& size : out.resized) sizes.insert(sizes.end(), {size.height, size.width});
  golden.compare("image_sizes", Tensor::from(sizes, {static_cast<int64_t>(out.resized.size()), 2}));
  out.pixels = out.pixels.to(computed_on);
  return out;
}

void compare_detections(FasterRcnnCase& golden, const FasterRcnn::Result& found, DType dtype) {
  int64_t begin = 0;
  for (size_t i = 0; i < found.detections.size(); ++i) {
    const Detections& each = found.detections[i];
    golden.compare(text("proposals.", i), found.proposals[i], dtype);
    golden.compare(text("detections.boxes.", i), each.boxes, dtype);
    golden.compare(text("detections.scores.", i), Tensor::from(each.scores).to(dtype));
    golden.compare(text("detections.labels.", i), each.labels);
    golden.compare(text("detections.roi.", i), each.regions);
    std::vector<int64_t> rows = each.regions;
    for (int64_t& row : rows) row += begin;
    golden.compare(text("detections.features.", i), gather_rows({found.regions.features}, Tensor::from(rows)));
    begin += found.proposals[i].rows();
  }
  golden.compare("roi.levels", found.regions.levels);
  golden.compare("roi.pooled", found.regions.pooled);
  golden.compare("roi.features", found.regions.features);
  golden.compare("roi.class_logits", found.regions.class_logits);
  golden.compare("roi.box_deltas", found.regions.box_deltas);
}

void compare_maps(FasterRcnnCase& golden, const std::vector<Variable>& levels, const ObjectnessMaps& maps,
                  DType dtype) {
  for (size_t i = 0; i < levels.size(); ++i) {
    const std::string level = levels.size() > 1 && i + 1 == levels.size() ? "pool" : std::to_string(i);
    golden.compare("features." + level, levels[i]);
    golden.compare("rpn.logits." + level, maps.logits[i]);
    golden.compare("rpn.deltas." + level, maps.deltas[i]);
  }
  golden.compare("anchors", maps.anchors, dtype);
}

// The losses on the reference's samples.
FasterRcnn::Losses losses_of(FasterRcnnCase& golden, const FasterRcnn& model, const PictureBatch& batch,
                             const std::vector<Variable>& levels, const ObjectnessMaps& maps) {
  const DType dtype = batch.pixels.dtype();
  std::vector<TrueBoxes> original;
  for (size_t i = 0; i < golden.pictures(); ++i)
    original.push_back(
        {boxes_of(golden.file.at(text("input.gt_boxes.", i))), golden.rows(text("input.gt_labels.", i))});
  const std::vector<TrueBoxes> truths = resized_truths(batch, original, model.config.classes);
  const std::vector<Boxes> proposals = model.rpn.proposals(maps, batch.resized, true);
  std::vector<std::vector<int64_t>> matches;
  std::vector<BoxSample> anchors;
  std::vector<RegionSample> samples;
  std::vector<Boxes> regions;
  for (size_t i = 0; i < truths.size(); ++i) {
    golden.compare(text("train.proposals.", i), proposals[i], dtype);
    matches.push_back(anchor_matches(maps.anchors, truths[i], model.config.anchors));
    std::vector<int64_t> labels;
    for (const int64_t match : matches.back()) labels.push_back(match >= 0 ? 1 : match == kBackground ? 0 : -1);
    golden.compare(text("train.rpn_labels.", i), labels);
    anchors.push_back({golden.rows(text("train.rpn_positive.", i)), golden.rows(text("train.rpn_negative.", i))});

    const Boxes candidates = region_candidates(proposals[i], truths[i]);
    const std::vector<int64_t> of_region = region_matches(candidates, truths[i], model.config.regions);
    labels.clear();
    for (const int64_t match : of_region)
      labels.push_back(match >= 0 ? truths[i].labels[static_cast<size_t>(match)] : match == kBackground ? 0 : -1);
    golden.compare(text("train.roi_labels.", i), labels);
    samples.push_back(region_sample(candidates, of_region, truths[i], golden.rows(text("train.roi_sampled.", i))));
    golden.compare(text("train.roi_targets.", i), samples.back().targets, dtype);
    regions.push_back(samples.back().boxes);
  }
  return {proposal_losses(maps, truths, matches, anchors),
          region_losses(model.heads(levels, batch.pixels.size(2), regions), samples), Variable()};
}

// Every gradient in the file under `prefix`. Batch normalisation has none there: it is frozen.
void compare_gradients_of(FasterRcnnCase& golden, ParameterSet& parameters, const Variable& loss,
                          const std::string& prefix) {
  parameters.clear_gradients();
  loss.backward();
  parameters.finish_gradients();
  for (const auto& item : golden.file.tensors)
    if (item.first.starts_with(prefix))
      golden.compare(item.first, parameters.at(item.first.substr(prefix.size())).grad());
}

void compare_fasterrcnn(FasterRcnnCase& golden, DType dtype) {
  FasterRcnn model(regions_config(golden.config));
  ParameterSet parameters(model, dtype, "", computed_on);
  parameters.load_state(golden.weights, "golden");
  const PictureBatch batch = batch_of(golden, model.config, dtype);
  compare_detections(golden, model.detect(batch), dtype);

  const std::vector<std::string> names{"loss_classifier", "loss_box_reg", "loss_objectness", "loss_rpn_box_reg"};
  for (size_t i = 0; i <= names.size(); ++i) {
    const std::vector<Variable> levels = model.backbone(Variable(batch.pixels));
    const ObjectnessMaps maps = model.rpn(levels, {batch.pixels.size(2), batch.pixels.size(3)});
    const FasterRcnn::Losses losses = losses_of(golden, model, batch, levels, maps);
    const Variable parts[] = {losses.regions.scores, losses.regions.boxes, losses.proposals.scores,
                              losses.proposals.boxes};
    if (i < names.size()) {
      golden.compare("train." + names[i], parts[i]);
      compare_gradients_of(golden, parameters, parts[i], "grad_" + names[i] + ".");
    } else {
      compare_maps(golden, levels, maps, dtype);
      golden.compare("train.loss", losses.total());
      compare_gradients_of(golden, parameters, losses.total(), "grad.");
    }
  }
}

}  // namespace

Outcome run_fasterrcnn(const std::filesystem::path& directory) {
  FasterRcnnCase golden(directory);
  for (const DType dtype : computed_dtypes()) compare_fasterrcnn(golden, dtype);
  return golden.comparison.outcome();
}

}  // namespace tessera::golden
