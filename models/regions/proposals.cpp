#include "models/regions/proposals.h"

#include <algorithm>
#include <cmath>

#include "data/boxes/anchors.h"
#include "data/boxes/nms.h"

namespace tessera {
namespace {

// [n, A · C, rows, columns] → [n, rows · columns · A, C]: place by place, at each place its anchors.
Variable by_place(const Variable& map, int64_t anchors) {
  const int64_t n = map.size(0), each = map.size(1) / anchors, rows = map.size(2), columns = map.size(3);
  return reshape(contiguous(permute(reshape(map, {n, anchors, each, rows, columns}), {0, 3, 4, 1, 2})),
                 {n, rows * columns * anchors, each});
}

std::vector<double> host_values(const Variable& x) { return x.value().to(Device{}).to(DType::f64).to_vector<double>(); }

// The best `count` of scores[begin, begin + of), equal ones in their own order.
std::vector<int64_t> best_rows(const std::vector<double>& scores, int64_t begin, int64_t of, int64_t count) {
  std::vector<int64_t> rows;
  for (int64_t i = begin; i < begin + of; ++i)
    if (!std::isnan(scores[static_cast<size_t>(i)])) rows.push_back(i);
  std::stable_sort(rows.begin(), rows.end(), [&](int64_t a, int64_t b) {
    return scores[static_cast<size_t>(a)] > scores[static_cast<size_t>(b)];
  });
  if (static_cast<int64_t>(rows.size()) > count) rows.resize(static_cast<size_t>(count));
  return rows;
}

Boxes proposals_of_picture(const ObjectnessMaps& maps, const std::vector<double>& logits, const Boxes& deltas,
                           Size2d size, const ProposalRule& rule) {
  std::vector<int64_t> rows, levels;
  int64_t begin = 0;
  for (size_t level = 0; level < maps.counts.size(); begin += maps.counts[level++])
    for (const int64_t row : best_rows(logits, begin, maps.counts[level], rule.before_nms)) {
      rows.push_back(row);
      levels.push_back(static_cast<int64_t>(level));
    }
  const Boxes decoded = BoxCoder{}.decode(picked(deltas, rows), picked(maps.anchors, rows));
  const Boxes boxes = clipped(decoded, static_cast<double>(size.height), static_cast<double>(size.width));
  std::vector<int64_t> kept, kept_levels;
  std::vector<double> scores;
  for (const int64_t i : boxes_with_sides(boxes, rule.shortest)) {
    const auto k = static_cast<size_t>(i);
    const double score = 1 / (1 + std::exp(-logits[static_cast<size_t>(rows[k])]));
    if (score < rule.score) continue;
    kept.push_back(i);
    kept_levels.push_back(levels[k]);
    scores.push_back(score);
  }
  const Boxes candidates = picked(boxes, kept);
  std::vector<int64_t> best = suppressed_by_class(candidates, scores, kept_levels, rule.nms);
  if (static_cast<int64_t>(best.size()) > rule.after_nms) best.resize(static_cast<size_t>(rule.after_nms));
  return picked(candidates, best);
}

}  // namespace

Boxes picked(const Boxes& boxes, const std::vector<int64_t>& rows) {
  Boxes out(static_cast<Eigen::Index>(rows.size()), 4);
  for (size_t i = 0; i < rows.size(); ++i) out.row(static_cast<Eigen::Index>(i)) = boxes.row(rows[i]);
  return out;
}

ProposalNetwork::ProposalNetwork(const RegionsConfig& config, int64_t channels)
    : rule(config.proposals), training_rule(config.training_proposals) {
  check(static_cast<int64_t>(config.anchor_sizes.size()) == config.levels(), "regions: anchors of ",
        config.anchor_sizes.size(), " levels, expected ", config.levels());
  for (const std::vector<double>& sizes : config.anchor_sizes) {
    cells.push_back(cell_anchors(sizes, config.aspect_ratios));
    check(cells.back().rows() > 0 && cells.back().rows() == cells[0].rows(), "regions: ", cells.back().rows(),
          " anchors at a place, expected as many on every level and at least one");
  }
  hidden = Conv2d(channels, channels, 3, {.padding = 1});
  logits = Conv2d(channels, cells[0].rows(), 1);
  deltas = Conv2d(channels, 4 * cells[0].rows(), 1);
}

ObjectnessMaps ProposalNetwork::operator()(const std::vector<Variable>& levels, Size2d canvas) const {
  check(levels.size() == cells.size(), "regions: ", levels.size(), " levels, expected ", cells.size());
  ObjectnessMaps out;
  std::vector<Variable> flat_logits, flat_deltas;
  std::vector<Boxes> anchors;
  for (size_t i = 0; i < levels.size(); ++i) {
    const Variable state = relu(hidden(levels[i]));
    out.logits.push_back(logits(state));
    out.deltas.push_back(deltas(state));
    const int64_t rows = levels[i].size(2), columns = levels[i].size(3);
    anchors.push_back(grid_anchors(cells[i], rows, columns, static_cast<double>(canvas.height / rows),
                                   static_cast<double>(canvas.width / columns)));
    out.counts.push_back(anchors.back().rows());
    flat_logits.push_back(by_place(out.logits.back(), cells[i].rows()));
    flat_deltas.push_back(by_place(out.deltas.back(), cells[i].rows()));
  }
  Eigen::Index all = 0, at = 0;
  for (const Boxes& level : anchors) all += level.rows();
  out.anchors.resize(all, 4);
  for (const Boxes& level : anchors) {
    out.anchors.middleRows(at, level.rows()) = level;
    at += level.rows();
  }
  const int64_t n = levels[0].size(0);
  out.flat_logits = reshape(concatenate(flat_logits, 1), {n * all, 1});
  out.flat_deltas = reshape(concatenate(flat_deltas, 1), {n * all, 4});
  return out;
}

std::vector<Boxes> ProposalNetwork::proposals(const ObjectnessMaps& maps, const std::vector<Size2d>& sizes,
                                              bool training) const {
  const std::vector<double> logits_of_all = host_values(maps.flat_logits);
  const Boxes deltas_of_all = boxes_of(maps.flat_deltas.value().to(Device{}));
  const Eigen::Index each = maps.anchors.rows();
  check(static_cast<int64_t>(sizes.size()) * each == deltas_of_all.rows(), "regions: ", sizes.size(),
        " sizes of pictures for ", deltas_of_all.rows(), " predictions of ", each, " anchors");
  std::vector<Boxes> out;
  for (size_t i = 0; i < sizes.size(); ++i) {
    const auto begin = static_cast<Eigen::Index>(i) * each;
    const std::vector<double> scores(logits_of_all.begin() + begin, logits_of_all.begin() + begin + each);
    out.push_back(proposals_of_picture(maps, scores, deltas_of_all.middleRows(begin, each), sizes[i],
                                       training ? training_rule : rule));
  }
  return out;
}

void ProposalNetwork::visit(const std::string& prefix, const ParameterVisitor& visitor) {
  hidden.visit(join_name(prefix, "head.conv.0.0"), visitor);
  logits.visit(join_name(prefix, "head.cls_logits"), visitor);
  deltas.visit(join_name(prefix, "head.bbox_pred"), visitor);
}

std::vector<int64_t> anchor_matches(const Boxes& anchors, const TrueBoxes& truth, const BoxSampling& sampling) {
  return matched(intersection_over_union(truth.boxes, anchors),
                 {.high = sampling.high, .low = sampling.low, .best_of_each = true});
}

RegionLosses proposal_losses(const ObjectnessMaps& maps, const std::vector<TrueBoxes>& truths,
                             const std::vector<std::vector<int64_t>>& matches, const std::vector<BoxSample>& samples) {
  check(truths.size() == matches.size() && truths.size() == samples.size(), "regions: true boxes of ", truths.size(),
        " pictures, matches of ", matches.size(), ", samples of ", samples.size());
  std::vector<int64_t> positive, sampled;
  std::vector<double> targets, labels;
  for (size_t i = 0; i < truths.size(); ++i) {
    const int64_t begin = static_cast<int64_t>(i) * maps.anchors.rows();
    std::vector<int64_t> true_rows;
    for (const int64_t anchor : samples[i].positive) {
      const int64_t match = matches[i].at(static_cast<size_t>(anchor));
      check(match >= 0, "regions: anchor ", anchor, " of picture ", i, " is sampled as positive and stands for no box");
      true_rows.push_back(match);
      positive.push_back(begin + anchor);
      sampled.push_back(begin + anchor);
      labels.push_back(1);
    }
    for (const int64_t anchor : samples[i].negative) {
      sampled.push_back(begin + anchor);
      labels.push_back(0);
    }
    const Boxes encoded =
        BoxCoder{}.encode(picked(truths[i].boxes, true_rows), picked(maps.anchors, samples[i].positive));
    targets.insert(targets.end(), encoded.data(), encoded.data() + encoded.size());
  }
  check(!sampled.empty(), "regions: no anchor is sampled");
  const auto like_maps = [&](const std::vector<double>& values, int64_t columns) {
    return Tensor::from(values, {static_cast<int64_t>(values.size()) / columns, columns})
        .to(maps.flat_logits.value().dtype());
  };
  const auto count = static_cast<double>(sampled.size());
  RegionLosses out;
  out.scores = bce_with_logits(gather_rows({maps.flat_logits}, Tensor::from(sampled)), like_maps(labels, 1));
  out.boxes = smooth_l1_loss(gather_rows({maps.flat_deltas}, Tensor::from(positive)), like_maps(targets, 4), 1.0 / 9,
                             Reduction::sum) /
              count;
  return out;
}

}  // namespace tessera
