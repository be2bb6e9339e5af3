#include "models/regions/box_head.h"

#include <cmath>
#include <numeric>

#include "data/boxes/nms.h"

namespace tessera {
namespace {

const BoxCoder kRegionCoder{{10, 10, 5, 5}};

// The number of halvings from the canvas to a level.
int64_t level_of(const Variable& map, int64_t canvas_height) {
  return std::lround(std::log2(static_cast<double>(canvas_height) / static_cast<double>(map.size(2))));
}

// [rois, 5] of the regions that have the level, and which these are.
struct LevelRegions {
  std::vector<double> corners;
  std::vector<int64_t> rows;
};

std::vector<LevelRegions> regions_of_levels(const std::vector<Boxes>& regions, const std::vector<int64_t>& levels,
                                            size_t count) {
  std::vector<LevelRegions> out(count);
  size_t row = 0;
  for (size_t picture = 0; picture < regions.size(); ++picture)
    for (Eigen::Index i = 0; i < regions[picture].rows(); ++i, ++row) {
      LevelRegions& level = out[static_cast<size_t>(levels[row])];
      level.rows.push_back(static_cast<int64_t>(row));
      level.corners.push_back(static_cast<double>(picture));
      for (int k = 0; k < 4; ++k) level.corners.push_back(regions[picture](i, k));
    }
  return out;
}

// Rows of logits → probabilities.
std::vector<double> probabilities(std::vector<double> logits, size_t classes) {
  for (size_t begin = 0; begin < logits.size(); begin += classes) {
    const auto row = logits.begin() + static_cast<std::ptrdiff_t>(begin),
               end = row + static_cast<std::ptrdiff_t>(classes);
    const double most = *std::max_element(row, end);
    double sum = 0;
    for (auto each = row; each != end; ++each) sum += * each = std::exp(*each - most);
    for (auto each = row; each != end; ++each) *each /= sum;
  }
  return logits;
}

// prob, a row of `classes` for each region; decoded, a box for each of them.
Detections detections_of_picture(const double* prob, const Boxes& decoded, Eigen::Index regions, int64_t classes,
                                 const DetectionRule& rule) {
  std::vector<int64_t> rows, labels;
  std::vector<double> scores;
  std::vector<char> large(static_cast<size_t>(decoded.rows()), 0);
  for (const int64_t row : boxes_with_sides(decoded, rule.shortest)) large[static_cast<size_t>(row)] = 1;
  for (Eigen::Index region = 0; region < regions; ++region)
    for (int64_t label = 1; label < classes; ++label) {
      const int64_t row = region * classes + label;
      if (!(prob[row] > rule.score) || large[static_cast<size_t>(row)] == 0) continue;
      rows.push_back(row);
      labels.push_back(label);
      scores.push_back(prob[row]);
    }
  std::vector<int64_t> best = suppressed_by_class(picked(decoded, rows), scores, labels, rule.nms);
  if (static_cast<int64_t>(best.size()) > rule.count) best.resize(static_cast<size_t>(rule.count));
  Detections out;
  std::vector<int64_t> chosen;
  for (const int64_t i : best) {
    const auto k = static_cast<size_t>(i);
    chosen.push_back(rows[k]);
    out.scores.push_back(scores[k]);
    out.labels.push_back(labels[k]);
    out.regions.push_back(rows[k] / classes);
  }
  out.boxes = picked(decoded, chosen);
  return out;
}

}  // namespace

BoxHead::BoxHead(const RegionsConfig& config, int64_t channels)
    : bins{.height = config.bins.height, .width = config.bins.width, .sampling = config.sampling},
      fit{.canonical_size = config.canonical_size, .canonical_level = config.canonical_level},
      classes(config.classes),
      scores(config.features(), config.classes),
      deltas(config.features(), 4 * config.classes),
      rule(config.detections) {
  check(classes >= 2, "regions: ", classes, " classes, expected the background and at least one");
  if (config.attributes > 0) attributes.emplace(config.features(), config.classes, config.attributes);
  if (config.pyramid) {
    first.emplace(channels * config.bins.area(), config.representation);
    second.emplace(config.representation, config.representation);
    return;
  }
  const size_t last = config.cnn.layers.size() - 1;
  int64_t in = channels;
  for (int64_t i = 0; i < config.cnn.layers[last]; ++i) {
    stage.emplace_back(in, config.cnn.widths[last], config.cnn.channels(last), i == 0 && !config.dilated ? 2 : 1, true,
                       i > 0 && config.dilated ? 2 : 1);
    stage.back().set_norm_eps(config.norm_eps);
    in = config.cnn.channels(last);
  }
}

RegionOutput BoxHead::operator()(const std::vector<Variable>& levels, int64_t canvas_height,
                                 const std::vector<Boxes>& regions) const {
  const size_t pooled_levels = levels.size() > 1 ? levels.size() - 1 : 1;
  PyramidLevels rule_of_fit = fit;
  rule_of_fit.first = level_of(levels[0], canvas_height);
  rule_of_fit.last = level_of(levels[pooled_levels - 1], canvas_height);
  RegionOutput out;
  for (const Boxes& of_picture : regions) {
    const std::vector<int64_t> fitting = pyramid_levels(of_picture, rule_of_fit);
    out.levels.insert(out.levels.end(), fitting.begin(), fitting.end());
  }
  check(!out.levels.empty(), "regions: there are no regions");
  const int64_t channels = levels[0].size(1), size = channels * bins.height * bins.width;
  const std::vector<LevelRegions> by_level = regions_of_levels(regions, out.levels, pooled_levels);
  std::vector<Variable> pooled;
  std::vector<int64_t> order(out.levels.size());
  int64_t place = 0;
  for (size_t i = 0; i < by_level.size(); ++i) {
    const auto count = static_cast<int64_t>(by_level[i].rows.size());
    if (count == 0) continue;
    ops::RoiAlignOptions options = bins;
    options.scale = std::ldexp(1.0, -static_cast<int>(level_of(levels[i], canvas_height)));
    pooled.push_back(
        reshape(roi_align(levels[i], Tensor::from(by_level[i].corners, {count, 5}), options), {count, size}));
    for (const int64_t row : by_level[i].rows) order[static_cast<size_t>(row)] = place++;
  }
  const Variable rows = gather_rows(pooled, Tensor::from(order));
  out.pooled = reshape(rows, {static_cast<int64_t>(order.size()), channels, bins.height, bins.width});
  if (first) {
    out.features = relu((*second)(relu((*first)(rows))));
  } else {
    Variable map = out.pooled;
    for (const ResidualBlock& block : stage) map = block(map, false);
    out.features = reshape(adaptive_avg_pool2d(map, 1), {map.size(0), map.size(1)});
  }
  out.class_logits = scores(out.features);
  out.box_deltas = deltas(out.features);
  return out;
}

std::vector<Detections> BoxHead::detections(const RegionOutput& output, const std::vector<Boxes>& regions,
                                            const std::vector<Size2d>& sizes) const {
  const auto host = [](const Variable& x) { return x.value().to(Device{}).to(DType::f64); };
  check(regions.size() == sizes.size(), "regions: of ", regions.size(), " pictures, sizes of ", sizes.size());
  const std::vector<double> prob =
      probabilities(host(output.class_logits).to_vector<double>(), static_cast<size_t>(classes));
  const Tensor differences = host(output.box_deltas);
  std::vector<Detections> out;
  Eigen::Index begin = 0;
  for (size_t i = 0; i < regions.size(); ++i) {
    const Eigen::Index count = regions[i].rows();
    const BoxCoder::Deltas of_picture = matrix_map<double>(differences).array().middleRows(begin, count);
    const Boxes boxes = clipped(kRegionCoder.decode(of_picture, regions[i]), static_cast<double>(sizes[i].height),
                                static_cast<double>(sizes[i].width));
    out.push_back(detections_of_picture(prob.data() + begin * classes, boxes, count, classes, rule));
    begin += count;
  }
  return out;
}

void BoxHead::visit(const std::string& prefix, const ParameterVisitor& visitor) {
  if (first) {
    first->visit(join_name(prefix, "box_head.fc6"), visitor);
    second->visit(join_name(prefix, "box_head.fc7"), visitor);
  }
  for (size_t i = 0; i < stage.size(); ++i) stage[i].visit(join_name(prefix, text("box_head.layer4.", i)), visitor);
  scores.visit(join_name(prefix, "box_predictor.cls_score"), visitor);
  deltas.visit(join_name(prefix, "box_predictor.bbox_pred"), visitor);
  if (attributes) attributes->visit(prefix, visitor);
}

Boxes region_candidates(const Boxes& proposals, const TrueBoxes& truth) {
  Boxes out(proposals.rows() + truth.boxes.rows(), 4);
  out << proposals, truth.boxes;
  return out;
}

std::vector<int64_t> region_matches(const Boxes& candidates, const TrueBoxes& truth, const BoxSampling& sampling) {
  return matched(intersection_over_union(truth.boxes, candidates), {.high = sampling.high, .low = sampling.low});
}

RegionSample region_sample(const Boxes& candidates, const std::vector<int64_t>& matches, const TrueBoxes& truth,
                           const std::vector<int64_t>& rows) {
  RegionSample out;
  out.boxes = picked(candidates, rows);
  out.targets = Boxes::Zero(out.boxes.rows(), 4);
  for (size_t i = 0; i < rows.size(); ++i) {
    const int64_t match = matches.at(static_cast<size_t>(rows[i]));
    check(match != kBetween, "regions: candidate ", rows[i], " is sampled and is neither object nor background");
    out.labels.push_back(match >= 0 ? truth.labels.at(static_cast<size_t>(match)) : 0);
    const bool known = match >= 0 && !truth.attributes.empty();
    out.attributes.push_back(known ? truth.attributes.at(static_cast<size_t>(match)) : -1);
    const auto row = static_cast<Eigen::Index>(i);
    if (match >= 0)
      out.targets.row(row) = kRegionCoder.encode(picked(truth.boxes, {match}), out.boxes.middleRows(row, 1));
  }
  return out;
}

Variable attribute_loss(const AttributeHead& head, const RegionOutput& output,
                        const std::vector<RegionSample>& samples) {
  std::vector<int64_t> rows, labels, attributes;
  int64_t row = 0;
  for (const RegionSample& sample : samples)
    for (size_t i = 0; i < sample.labels.size(); ++i, ++row) {
      if (sample.attributes.at(i) < 0) continue;
      rows.push_back(row);
      labels.push_back(sample.labels[i]);
      attributes.push_back(sample.attributes[i]);
    }
  if (rows.empty()) return Variable(Tensor::scalar(0, output.features.value().dtype()));
  return cross_entropy(head(gather_rows({output.features}, Tensor::from(rows)), labels), Tensor::from(attributes));
}

std::vector<double> region_probabilities(const BoxHead& head, const RegionOutput& output) {
  const auto host = [](const Variable& x) { return x.value().to(Device{}).to(DType::f64).to_vector<double>(); };
  const auto classes = static_cast<size_t>(head.classes);
  const std::vector<double> of_class = probabilities(host(output.class_logits), classes);
  if (!head.attributes) return of_class;
  std::vector<int64_t> likeliest;
  for (size_t begin = 0; begin < of_class.size(); begin += classes) {
    size_t best = 1;
    for (size_t label = 2; label < classes; ++label)
      if (of_class[begin + label] > of_class[begin + best]) best = label;
    likeliest.push_back(static_cast<int64_t>(best));
  }
  const Variable logits = (*head.attributes)(output.features, likeliest);
  const auto count = static_cast<size_t>(logits.size(1));
  const std::vector<double> of_attribute = probabilities(host(logits), count);
  std::vector<double> out;
  for (size_t row = 0; row < likeliest.size(); ++row) {
    out.push_back(of_class[row * classes]);
    for (size_t label = 1; label < classes; ++label)
      for (size_t k = 0; k < count; ++k) out.push_back(of_class[row * classes + label] * of_attribute[row * count + k]);
  }
  return out;
}

RegionLosses region_losses(const RegionOutput& output, const std::vector<RegionSample>& samples) {
  const int64_t regions = output.class_logits.size(0), classes = output.class_logits.size(1);
  std::vector<int64_t> labels, boxes;
  std::vector<double> targets;
  for (const RegionSample& sample : samples)
    for (size_t i = 0; i < sample.labels.size(); ++i) {
      labels.push_back(sample.labels[i]);
      if (sample.labels[i] == 0) continue;
      boxes.push_back(static_cast<int64_t>(labels.size() - 1) * classes + sample.labels[i]);
      for (int k = 0; k < 4; ++k) targets.push_back(sample.targets(static_cast<Eigen::Index>(i), k));
    }
  check(static_cast<int64_t>(labels.size()) == regions, "regions: ", labels.size(), " samples for ", regions,
        " regions");
  const Tensor differences =
      Tensor::from(targets, {static_cast<int64_t>(boxes.size()), 4}).to(output.box_deltas.value().dtype());
  RegionLosses out;
  out.scores = cross_entropy(output.class_logits, Tensor::from(labels));
  out.boxes = smooth_l1_loss(gather_rows({reshape(output.box_deltas, {regions * classes, 4})}, Tensor::from(boxes)),
                             differences, 1.0 / 9, Reduction::sum) /
              static_cast<double>(regions);
  return out;
}

}  // namespace tessera
