// data/retrieval_metrics: ranks and recalls of stored scores under every rule for equal ones, folds, cascades, and
// which score of a matching head ranks.
#include <cmath>

#include "data/tasks/cascade.h"
#include "data/tasks/retrieval_metrics.h"
#include "io/safetensors.h"
#include "tests/golden/harness.h"
#include "tests/golden/json.h"

namespace tessera::golden {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::vector<int64_t> owners_of(const SafeTensors& file, const std::string& name) {
  const Tensor owners = file.at(name + ".image_of_text");
  return {owners.data<int64_t>(), owners.data<int64_t>() + owners.numel()};
}

ScoreRow rows_of(const Tensor& scores) {
  return [values = scores.to(DType::f64).contiguous()](int64_t query, std::span<double> row) {
    check(static_cast<int64_t>(row.size()) == values.size(1), "rows of ", values.size(1), " scores, expected ",
          row.size());
    std::copy_n(values.data<double>() + query * values.size(1), row.size(), row.begin());
  };
}

ScoreRow columns_of(const Tensor& scores) { return rows_of(scores.transpose(0, 1)); }

void expect(double got, const json& expected, const std::string& what) {
  check(std::abs(got - expected.get<double>()) <= 1e-12 * std::max(1.0, std::abs(got)), what, " is ", got,
        ", expected ", expected.dump());
}

void compare_direction(const DirectionMetrics& got, const json& expected, const std::string& what) {
  expect(static_cast<double>(got.queries), expected.at("queries"), what + " queries");
  expect(static_cast<double>(got.without_right), expected.at("without_positive"),
         what + " queries without a right one");
  for (size_t k = 0; k < kRecallAt.size(); ++k)
    expect(got.hits[k], expected.at("hits").at(k), text(what, " hits at ", kRecallAt[k]));
  check(got.median_rank.has_value() == expected.contains("medr"), what, ": a median rank is there, or not");
  if (!got.median_rank) return;
  expect(static_cast<double>(*got.median_rank), expected.at("medr"), what + " median rank");
  expect(got.mean_rank.value(), expected.at("meanr"), what + " mean rank");
}

void compare_rules(const RetrievalStandings& standings, const json& expected, const std::string& what) {
  check(expected.size() == std::size(kTieRules), what, ": ", expected.size(), " rules");
  for (const TieRule rule : kTieRules) {
    const json& wanted = expected.at(std::string(name(rule)));
    const RetrievalMetrics metrics = retrieval_metrics(standings, rule);
    const std::string place = text(what, " ", name(rule));
    compare_direction(metrics.text_retrieval, wanted.at("tr"), place + " TR");
    compare_direction(metrics.image_retrieval, wanted.at("ir"), place + " IR");
  }
}

void compare_ranks(std::span<const Standing> standings, const json& expected, const std::string& what) {
  check(standings.size() == expected.size(), what, ": ", standings.size(), " ranks");
  for (size_t i = 0; i < standings.size(); ++i) {
    const DirectionMetrics one = direction_metrics(standings.subspan(i, 1), TieRule::index);
    check(one.median_rank.has_value() != expected[i].is_null(), what, ": the rank of query ", i);
    if (one.median_rank) expect(static_cast<double>(*one.median_rank - 1), expected[i], text(what, " rank ", i));
  }
}

// The figures that the published programs report.
void compare_published(const RetrievalMetrics& metrics, const json& one, const std::string& what) {
  const json &vilt = one.at("vilt"), &albef = one.at("albef");
  const DirectionMetrics &tr = metrics.text_retrieval, &ir = metrics.image_retrieval;
  double sum_tr = 0, sum_ir = 0;
  for (size_t k = 0; k < 3; ++k) {
    expect(tr.recall(k), vilt.at("tr").at(k), what + " ViLT's TR");
    expect(ir.recall(k), vilt.at("ir").at(k), what + " ViLT's IR");
    expect(100 * tr.recall(k), albef.at("txt_r").at(k), what + " ALBEF's TR");
    expect(100 * ir.recall(k), albef.at("img_r").at(k), what + " ALBEF's IR");
    sum_tr += 100 * tr.recall(k);
    sum_ir += 100 * ir.recall(k);
  }
  expect(ir.recall(0) + tr.recall(0), vilt.at("the_metric"), what + " ViLT's metric");
  expect((sum_tr + sum_ir) / 6, albef.at("r_mean"), what + " ALBEF's mean");
}

Tensor cascaded(const Tensor& similarity, const Tensor& scores, int64_t k, CascadeScore kind) {
  const Tensor first = similarity.contiguous(), second = scores.contiguous();
  const int64_t columns = first.size(1);
  std::vector<float> all;
  for (int64_t q = 0; q < first.size(0); ++q) {
    const std::span<const float> row(first.data<float>() + q * columns, static_cast<size_t>(columns));
    const std::vector<int64_t> chosen = shortlist(row, k);
    std::vector<float> of_model;
    for (const int64_t c : chosen) of_model.push_back(second.data<float>()[q * columns + c]);
    const std::vector<float> added = cascade_scores(row, chosen, of_model, kind);
    all.insert(all.end(), added.begin(), added.end());
  }
  return Tensor::from(all).reshape({first.size(0), columns});
}

void compare_cascade(const SafeTensors& file, const json& one, const std::vector<int64_t>& owners) {
  const std::string base = one.at("name");
  const auto images = one.at("images").get<int64_t>();
  const Tensor similarity = file.at(base + ".similarity"), scores = file.at(base + ".itm");
  for (const auto& [style, kind] :
       {std::pair{"albef", CascadeScore::model}, {"blip", CascadeScore::model_and_similarity}}) {
    const auto k = one.at("k_test").get<int64_t>();
    const Tensor rows = cascaded(similarity, scores, k, kind);
    const Tensor columns = cascaded(similarity.transpose(0, 1), scores.transpose(0, 1), k, kind);
    for (const auto& [got, name] : {std::pair{rows, ".i2t"}, {columns, ".t2i"}}) {
      const Tensor wanted = file.at(text(base, ".", style, name));
      check(std::equal(wanted.data<float>(), wanted.data<float>() + wanted.numel(), got.data<float>()), base, " ",
            style, name, ": other scores");
    }
    compare_rules(retrieval_standings(images, owners, rows_of(rows), rows_of(columns)), one.at(style),
                  text(base, " ", style));
  }
  compare_rules(retrieval_standings(images, owners, rows_of(scores)), one.at("full"), base + " without a cut");
}

void compare_folds(const Tensor& scores, const json& one, const std::vector<int64_t>& owners) {
  const std::string base = one.at("name");
  const json& folds = one.at("folds");
  const auto got = fold_standings(one.at("images"), owners, rows_of(scores), static_cast<int64_t>(folds.size()));
  for (size_t f = 0; f < folds.size(); ++f) compare_rules(got[f], folds[f], text(base, " fold ", f));
  for (const TieRule rule : kTieRules) {
    std::vector<RetrievalMetrics> metrics;
    for (const RetrievalStandings& fold : got) metrics.push_back(retrieval_metrics(fold, rule));
    const MeanRecalls means = mean_recalls(metrics);
    const json& wanted = one.at("mean").at(std::string(name(rule)));
    for (size_t k = 0; k < kRecallAt.size(); ++k) {
      expect(means.text_retrieval[k], wanted.at("tr").at(k), base + " mean TR");
      expect(means.image_retrieval[k], wanted.at("ir").at(k), base + " mean IR");
    }
  }
}

void compare_case(const SafeTensors& file, const json& one) {
  const std::string base = one.at("name");
  const auto images = one.at("images").get<int64_t>();
  const std::vector<int64_t> owners = owners_of(file, base);
  if (one.contains("k_test")) return compare_cascade(file, one, owners);
  const Tensor scores = file.at(base + ".scores");
  if (one.contains("folds")) return compare_folds(scores, one, owners);
  if (one.contains("error")) {
    std::string message;
    try {
      retrieval_standings(images, owners, rows_of(scores));
    } catch (const Error& error) {
      message = error.what();
    }
    check(message.find("is NaN") != std::string::npos, base, ": expected an error about NaN, got '", message, "'");
    return;
  }
  const RetrievalStandings standings = retrieval_standings(images, owners, rows_of(scores));
  compare_rules(standings, one.at("result"), base);
  compare_rules(retrieval_standings(images, owners, rows_of(scores), columns_of(scores)), one.at("result"),
                base + " by columns");
  compare_ranks(standings.text_retrieval, one.at("ranks_index").at("tr"), base + " TR");
  compare_ranks(standings.image_retrieval, one.at("ranks_index").at("ir"), base + " IR");
  compare_published(retrieval_metrics(standings, TieRule::index), one, base);
}

// The matching head's logits [images, texts, 2] of pooled states, in f64.
Tensor head_logits(const SafeTensors& file) {
  const auto f64 = [&](const char* name) { return file.at(text("zero_shot.", name)).to(DType::f64).contiguous(); };
  const Tensor pooled = f64("pooled"), weight = f64("itm_score.fc.weight"), bias = f64("itm_score.fc.bias");
  const int64_t pairs = pooled.size(0) * pooled.size(1), hidden = pooled.size(2);
  std::vector<double> logits;
  for (int64_t p = 0; p < pairs; ++p)
    for (int64_t c = 0; c < 2; ++c) {
      double sum = bias.data<double>()[c];
      for (int64_t h = 0; h < hidden; ++h)
        sum += pooled.data<double>()[p * hidden + h] * weight.data<double>()[c * hidden + h];
      logits.push_back(sum);
    }
  return Tensor::from(logits).reshape({pooled.size(0), pooled.size(1), 2});
}

void compare_zero_shot(const SafeTensors& file, const json& expected) {
  const std::vector<int64_t> owners = owners_of(file, "zero_shot");
  const Tensor logits = head_logits(file), wanted = file.at("zero_shot.rank_scores").to(DType::f64);
  const int64_t images = logits.size(0);
  const auto scored = [&](double of_no_match, double of_match) {
    std::vector<double> scores;
    for (int64_t p = 0; p < wanted.numel(); ++p)
      scores.push_back(of_no_match * logits.data<double>()[2 * p] + of_match * logits.data<double>()[2 * p + 1]);
    return Tensor::from(scores).reshape({images, logits.size(1)});
  };
  const Tensor match = scored(0, 1);
  for (int64_t p = 0; p < wanted.numel(); ++p)
    check(std::abs(match.data<double>()[p] - wanted.data<double>()[p]) < 1e-12, "zero-shot: score ", p);
  for (const auto& [name, scores] : {std::pair{"match_logit", match},
                                     {"logit_difference", scored(-1, 1)},
                                     {"no_match_logit_negated", scored(-1, 0)}})
    compare_rules(retrieval_standings(images, owners, rows_of(scores)), expected.at(name), text("zero-shot ", name));
}

}  // namespace

Outcome run_retrieval_metrics(const fs::path& directory) {
  const SafeTensors file = load_safetensors((directory / "cases.safetensors").string());
  const json cases = read_json(directory / "cases.json");
  for (const json& one : cases.at("cases")) compare_case(file, one);
  compare_zero_shot(file, read_json(directory / "zero_shot.json"));
  return {true, text(cases.at("cases").size(), " cases and zero-shot scores, under ", std::size(kTieRules), " rules")};
}

}  // namespace tessera::golden
