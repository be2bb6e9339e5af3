#include "models/regions/detector.h"

#include <algorithm>

namespace tessera {
namespace {

Size2d canvas_of(const PictureBatch& batch) { return {batch.pixels.size(2), batch.pixels.size(3)}; }

}  // namespace

FasterRcnn::FasterRcnn(const RegionsConfig& c)
    : config(c), backbone(c), rpn(c, backbone.channels()), heads(c, backbone.channels()) {}

FasterRcnn::Result FasterRcnn::detect(const PictureBatch& batch) const {
  const Size2d canvas = canvas_of(batch);
  const std::vector<Variable> levels = backbone(Variable(batch.pixels));
  Result out;
  out.proposals = rpn.proposals(rpn(levels, canvas), batch.resized, false);
  out.detections.resize(out.proposals.size());
  if (std::all_of(out.proposals.begin(), out.proposals.end(), [](const Boxes& boxes) { return boxes.rows() == 0; }))
    return out;
  out.regions = heads(levels, canvas.height, out.proposals);
  out.detections = heads.detections(out.regions, out.proposals, batch.resized);
  for (size_t i = 0; i < out.detections.size(); ++i)
    out.detections[i].boxes = rescaled(out.detections[i].boxes, batch.resized[i], batch.originals[i]);
  return out;
}

FasterRcnn::Losses FasterRcnn::losses(const PictureBatch& batch, const std::vector<TrueBoxes>& original, Random& random,
                                      bool batch_statistics) const {
  const std::vector<TrueBoxes> truths = resized_truths(batch, original, config.classes);
  const Size2d canvas = canvas_of(batch);
  const std::vector<Variable> levels = backbone(Variable(batch.pixels), batch_statistics);
  const ObjectnessMaps maps = rpn(levels, canvas);
  const std::vector<Boxes> proposals = rpn.proposals(maps, batch.resized, true);
  std::vector<std::vector<int64_t>> matches;
  std::vector<BoxSample> anchors;
  std::vector<RegionSample> samples;
  std::vector<Boxes> regions;
  for (size_t i = 0; i < truths.size(); ++i) {
    matches.push_back(anchor_matches(maps.anchors, truths[i], config.anchors));
    anchors.push_back(balanced_sample(matches.back(), config.anchors.count, config.anchors.fraction, random));
    const Boxes candidates = region_candidates(proposals[i], truths[i]);
    const std::vector<int64_t> of_region = region_matches(candidates, truths[i], config.regions);
    const BoxSample chosen = balanced_sample(of_region, config.regions.count, config.regions.fraction, random);
    std::vector<int64_t> rows = chosen.positive;
    rows.insert(rows.end(), chosen.negative.begin(), chosen.negative.end());
    std::sort(rows.begin(), rows.end());
    samples.push_back(region_sample(candidates, of_region, truths[i], rows));
    regions.push_back(samples.back().boxes);
  }
  const RegionOutput output = heads(levels, canvas.height, regions);
  return {proposal_losses(maps, truths, matches, anchors), region_losses(output, samples),
          heads.attributes ? attribute_loss(*heads.attributes, output, samples) : Variable()};
}

Variable FasterRcnn::Losses::total() const {
  const Variable sum = regions.scores + regions.boxes + proposals.scores + proposals.boxes;
  return attributes.defined() ? sum + attributes * 0.5 : sum;
}

void FasterRcnn::visit(const std::string& prefix, const ParameterVisitor& visitor) {
  backbone.visit(join_name(prefix, "backbone"), visitor);
  rpn.visit(join_name(prefix, "rpn"), visitor);
  heads.visit(join_name(prefix, "roi_heads"), visitor);
}

std::vector<TrueBoxes> resized_truths(const PictureBatch& batch, const std::vector<TrueBoxes>& truths,
                                      int64_t classes) {
  check(truths.size() == batch.resized.size(), "regions: true boxes of ", truths.size(), " pictures, expected ",
        batch.resized.size());
  std::vector<TrueBoxes> out;
  for (size_t i = 0; i < truths.size(); ++i) {
    const TrueBoxes& truth = truths[i];
    check(truth.boxes.rows() == static_cast<Eigen::Index>(truth.labels.size()), "regions: picture ", i, " has ",
          truth.boxes.rows(), " true boxes and ", truth.labels.size(), " labels");
    for (Eigen::Index row = 0; row < truth.boxes.rows(); ++row) {
      const int64_t label = truth.labels[static_cast<size_t>(row)];
      check(label >= 1 && label < classes, "regions: true box ", row, " of picture ", i, " has the label ", label,
            ", expected 1 to ", classes - 1);
      check(truth.attributes.empty() || truth.attributes.size() == truth.labels.size(), "regions: picture ", i, " has ",
            truth.labels.size(), " labels and ", truth.attributes.size(), " attributes");
      check(truth.boxes(row, 2) > truth.boxes(row, 0) && truth.boxes(row, 3) > truth.boxes(row, 1),
            "regions: true box ", row, " of picture ", i, " has no area");
    }
    out.push_back({rescaled(truth.boxes, batch.originals[i], batch.resized[i]), truth.labels, truth.attributes});
  }
  return out;
}

}  // namespace tessera
