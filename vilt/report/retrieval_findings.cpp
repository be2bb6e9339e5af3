#include "vilt/report/retrieval_findings.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "train/evaluation/spread.h"

namespace tessera {
namespace {

constexpr double kNothing = -std::numeric_limits<double>::infinity();

RetrievalFindings begun(const std::vector<Standing>& standings, int64_t candidates) {
  RetrievalFindings out;
  out.queries = static_cast<int64_t>(standings.size());
  out.candidates = candidates;
  for (const Standing& standing : standings) out.rank_of.push_back(tessera::rank_of(standing).value_or(0));
  out.wrong_pick.assign(standings.size(), -1);
  return out;
}

// The best wrong candidate stands first, unless the rank says that a right one does.
void keep_wrong(RetrievalFindings& findings) {
  for (size_t query = 0; query < findings.rank_of.size(); ++query) {
    if (findings.rank_of[query] == 1) findings.wrong_pick[query] = -1;
    findings.wrong_picks += findings.wrong_pick[query] >= 0;
  }
}

template <class IsRight>
RetrievalFindings::Example example_of(int64_t query, int64_t rank, const std::vector<double>& scores, int64_t first,
                                      const IsRight& is_right) {
  std::vector<int64_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, [&](int64_t a, int64_t b) {
    const double left = scores[static_cast<size_t>(a)], right = scores[static_cast<size_t>(b)];
    return left != right ? left > right : is_right(b) && !is_right(a);
  });
  const double best = scores[static_cast<size_t>(order[0])];
  double sum = 0;
  for (const double score : scores) sum += std::exp(score - best);
  RetrievalFindings::Example out{query, rank, {}};
  const auto add = [&](int64_t place) {
    const int64_t candidate = order[static_cast<size_t>(place)];
    const double score = scores[static_cast<size_t>(candidate)];
    out.found.push_back({candidate, place + 1, score, std::exp(score - best) / sum, is_right(candidate)});
  };
  for (int64_t place = 0; place < std::min<int64_t>(first, static_cast<int64_t>(order.size())); ++place) add(place);
  if (rank > first) add(rank - 1);
  return out;
}

template <class IsRight>
void add_examples(RetrievalFindings& findings, const ScoreRow& scores_of, int64_t examples, int64_t first,
                  const IsRight& is_right) {
  std::vector<int64_t> wrong, right;
  for (int64_t query = 0; query < findings.queries; ++query)
    if (findings.rank_of[static_cast<size_t>(query)] == 1)
      right.push_back(query);
    else if (findings.wrong_pick[static_cast<size_t>(query)] >= 0)
      wrong.push_back(query);
  std::vector<double> scores(static_cast<size_t>(findings.candidates));
  for (const auto& [queries, out] : {std::pair{&wrong, &findings.wrong}, {&right, &findings.right}})
    for (const int64_t i : spread(static_cast<int64_t>(queries->size()), std::max<int64_t>(1, examples))) {
      const int64_t query = (*queries)[static_cast<size_t>(i)];
      scores_of(query, scores);
      out->push_back(example_of(query, findings.rank_of[static_cast<size_t>(query)], scores, first,
                                [&](int64_t candidate) { return is_right(query, candidate); }));
    }
}

}  // namespace

BothFindings retrieval_findings(const RankedPairs& ranked, int64_t examples, int64_t first) {
  const auto images = static_cast<int64_t>(ranked.images.size()), texts = static_cast<int64_t>(ranked.texts.size());
  BothFindings out{begun(ranked.standings.text_retrieval, texts), begun(ranked.standings.image_retrieval, images)};
  std::vector<double> row(ranked.texts.size()), best_of_text(ranked.texts.size(), kNothing);
  for (int64_t image = 0; image < images; ++image) {
    ranked.scores_of_image(image, row);
    double best = kNothing;
    for (size_t text = 0; text < row.size(); ++text) {
      if (ranked.image_of_text[text] == image) continue;
      if (row[text] > best) {
        best = row[text];
        out.texts.wrong_pick[static_cast<size_t>(image)] = static_cast<int64_t>(text);
      }
      if (row[text] > best_of_text[text]) {
        best_of_text[text] = row[text];
        out.pictures.wrong_pick[text] = image;
      }
    }
  }
  keep_wrong(out.texts);
  keep_wrong(out.pictures);
  add_examples(out.texts, ranked.scores_of_image, examples, first,
               [&](int64_t image, int64_t text) { return ranked.image_of_text[static_cast<size_t>(text)] == image; });
  add_examples(out.pictures, ranked.scores_of_text, examples, first,
               [&](int64_t text, int64_t image) { return ranked.image_of_text[static_cast<size_t>(text)] == image; });
  return out;
}

}  // namespace tessera
