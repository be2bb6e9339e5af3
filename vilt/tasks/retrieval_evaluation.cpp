#include "vilt/tasks/retrieval_evaluation.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "data/sets/fingerprint.h"
#include "data/tasks/cascade.h"
#include "io/printable.h"
#include "io/words.h"
#include "train/evaluation/annotated_recalls.h"
#include "train/evaluation/spread.h"
#include "vilt/ranking/distinct_texts.h"

namespace tessera {
namespace {

// What is ranked, by the source's numbers.
struct Selection {
  std::vector<int64_t> images, texts;
  std::vector<int64_t> image_of_text;  // place in `images`
};

Selection selection(const DownstreamSource& source, const RetrievalOptions& options) {
  Selection out;
  out.images = spread(static_cast<int64_t>(source.set.pictures.size()), options.limit);
  if (options.usable) {
    options.usable->look_at(out.images);
    std::erase_if(out.images, [&](int64_t image) { return !options.usable->usable(image); });
    check(!out.images.empty(), "evaluation: none of the pictures can be decoded");
  }
  std::map<int64_t, int64_t> place;
  for (size_t i = 0; i < out.images.size(); ++i) place[out.images[i]] = static_cast<int64_t>(i);
  for (size_t s = 0; s < source.set.samples.size(); ++s)
    if (const auto found = place.find(source.set.samples[s].images[0]); found != place.end()) {
      out.texts.push_back(static_cast<int64_t>(s));
      out.image_of_text.push_back(found->second);
    }
  return out;
}

RankingTask ranking_task(const DownstreamSource& source, const Selection& selected) {
  RankingTask task;
  task.pictures = static_cast<int64_t>(selected.images.size());
  task.picture = [&](int64_t i) {
    return std::make_shared<const PatchedImage>(source.pictures.patched(selected.images[static_cast<size_t>(i)]));
  };
  for (const int64_t sample : selected.texts) task.texts.push_back(source.text(sample));
  return task;
}

// The scores of all pairs, in a file or in memory.
class Scores {
 public:
  Scores(const Selection& selected, const RetrievalOptions& options, const ScoreFile::Identity& identity)
      : texts_(static_cast<int64_t>(selected.texts.size())) {
    const auto images = static_cast<int64_t>(selected.images.size());
    if (!options.scores.empty())
      file_.emplace(options.scores, images, texts_, identity, options.scores_there);
    else
      values_.assign(static_cast<size_t>(images * texts_), NAN);
  }

  bool in_file() const { return file_.has_value(); }
  std::vector<float> row(int64_t picture) {
    if (file_) return file_->row(picture);
    const auto begin = values_.begin() + picture * texts_;
    return {begin, begin + texts_};
  }
  std::vector<float> column(int64_t text) {
    if (file_) return file_->column(text);
    std::vector<float> out;
    for (auto at = static_cast<size_t>(text); at < values_.size(); at += static_cast<size_t>(texts_))
      out.push_back(values_[at]);
    return out;
  }
  void put(std::span<const Pair> pairs, std::span<const double> scores) {
    if (file_) return file_->put(pairs, scores);
    for (size_t i = 0; i < pairs.size(); ++i)
      values_[static_cast<size_t>(pairs[i].picture * texts_ + pairs[i].text)] = static_cast<float>(scores[i]);
  }

 private:
  int64_t texts_;
  std::optional<ScoreFile> file_;
  std::vector<float> values_;  // [pictures, texts]
};

// A first stage's scores, and what they choose.
class FirstStage {
 public:
  FirstStage(const RetrievalOptions& options, const Selection& selected)
      : options_(options), file_(options.first_stage) {
    check(file_.pictures() == static_cast<int64_t>(selected.images.size()) &&
              file_.texts() == static_cast<int64_t>(selected.texts.size()),
          shown(options.first_stage), ": scores of ", file_.pictures(), " pictures and ", file_.texts(),
          " texts, expected ", selected.images.size(), " and ", selected.texts.size(),
          ", in the order of the captions file, without the pictures that are left out");
  }

  std::vector<float> row(int64_t picture) { return file_.row(picture); }
  std::vector<float> column(int64_t text) { return file_.column(text); }

  // Of each picture the texts that it or they chose; `hash` is told the scores.
  std::vector<std::vector<int64_t>> chosen(FingerprintHash& hash) {
    std::vector<std::vector<int64_t>> out;
    for (int64_t picture = 0; picture < file_.pictures(); ++picture) {
      const std::vector<float> scores = row(picture);
      hash.add({reinterpret_cast<const char*>(scores.data()), scores.size() * sizeof(float)});
      out.push_back(shortlist_of(scores, text("picture ", picture)));
    }
    for (int64_t t = 0; t < file_.texts(); ++t)
      for (const int64_t picture : shortlist_of(column(t), text("text ", t)))
        out[static_cast<size_t>(picture)].push_back(t);
    return out;
  }

  // A query's scores with all candidates, from those of the first stage and of the model.
  void combine(const std::vector<float>& first, const std::vector<float>& model, std::span<double> out) const {
    const std::vector<int64_t> best = shortlist(first, options_.shortlist);
    std::vector<float> scores;
    for (const int64_t candidate : best) scores.push_back(model[static_cast<size_t>(candidate)]);
    std::ranges::copy(cascade_scores(first, best, scores, CascadeScore::model), out.begin());
  }

 private:
  std::vector<int64_t> shortlist_of(const std::vector<float>& scores, const std::string& query) const {
    try {
      return shortlist(scores, options_.shortlist);
    } catch (const Error& error) {
      fail(shown(options_.first_stage), ": ", query, ": ", error.what());
    }
  }

  const RetrievalOptions& options_;
  ScoreFile file_;
};

ScoreFile::Identity identity_of(const DownstreamSource& source, const Selection& selected, const RankingTask& task,
                                const RetrievalOptions& options) {
  ScoreFile::Identity identity = options.identity;
  FingerprintHash files, texts;
  for (const int64_t image : selected.images)
    files.add_file(source.set.pictures[static_cast<size_t>(image)], options.image_folder);
  for (const std::vector<int64_t>& ids : task.texts)
    texts.add({reinterpret_cast<const char*>(ids.data()), ids.size() * sizeof(int64_t)});
  identity["pictures"] = text(selected.images.size(), " files, names and sizes ", files.hexadecimal());
  identity["texts"] = text(task.texts.size(), " texts, tokens ", texts.hexadecimal());
  return identity;
}

void add_metrics(const RetrievalMetrics& metrics, const std::string& ending, NamedFigures& out) {
  for (const auto& [name, direction] :
       {std::pair{"text", &metrics.text_retrieval}, {"image", &metrics.image_retrieval}}) {
    for (size_t k = 0; k < kRecallAt.size(); ++k)
      out.emplace_back(text(name, " R@", kRecallAt[k], ending), direction->recall(k));
    if (!ending.empty()) continue;
    if (direction->median_rank)
      out.emplace_back(text(name, " median rank"), static_cast<double>(*direction->median_rank));
    if (direction->mean_rank) out.emplace_back(text(name, " mean rank"), *direction->mean_rank);
  }
}

void add_folds(const Selection& selected, const ScoreRow& row, const RetrievalOptions& options, NamedFigures& out) {
  std::vector<RetrievalMetrics> folds;
  for (const RetrievalStandings& fold :
       fold_standings(static_cast<int64_t>(selected.images.size()), selected.image_of_text, row, options.folds))
    folds.push_back(retrieval_metrics(fold, options.ties));
  const MeanRecalls means = mean_recalls(folds);
  for (const auto& [name, recalls] : {std::pair{"text", &means.text_retrieval}, {"image", &means.image_retrieval}})
    for (size_t k = 0; k < kRecallAt.size(); ++k)
      out.emplace_back(text(name, " R@", kRecallAt[k], ", mean of ", options.folds, " folds"), (*recalls)[k]);
}

}  // namespace

std::optional<NamedFigures> evaluate_retrieval(const ViltWithHeads& model, const DownstreamSource& source,
                                               const DownstreamPart& part, const RetrievalOptions& options) {
  check(options.shortlist == 0 || options.folds == 0,
        "retrieval: folds have candidates of their own, for which a shortlist of all is none");
  const Selection selected = selection(source, options);
  const auto images = static_cast<int64_t>(selected.images.size());
  check(options.folds <= images, "retrieval: ", images, " pictures in ", options.folds,
        " folds, expected one or more in each");
  RankingTask task = ranking_task(source, selected);
  ScoreFile::Identity identity = identity_of(source, selected, task, options);
  identity["candidates"] = "all";
  std::optional<FirstStage> first_stage;
  if (options.shortlist > 0) {
    FingerprintHash hash;
    task.chosen = first_stage.emplace(options, selected).chosen(hash);
    identity["candidates"] = text("the best ", options.shortlist, " of first-stage scores ", hash.hexadecimal());
  }
  const DistinctTexts distinct(task.texts);
  for (std::vector<int64_t>& chosen : task.chosen) chosen = distinct.distinct(chosen);
  Scores scores(selected, options, identity);
  RankingOptions ranking;
  ranking.progress = options.progress;
  ranking.stop = options.stop;
  if (scores.in_file()) ranking.known = [&](int64_t picture) { return distinct.distinct(scores.row(picture)); };
  const PairScorer scorer(model, options.context);
  const auto put = [&](auto pairs, auto values) {
    distinct.put(pairs, values, [&](auto all, auto of_all) { scores.put(all, of_all); });
  };
  if (!rank_pairs(scorer, task, put, ranking)) return {};

  const ScoreRow all_of_image = [&](int64_t image, std::span<double> out) {
    std::ranges::copy(scores.row(image), out.begin());
  };
  const ScoreRow all_of_text = [&](int64_t text, std::span<double> out) {
    std::ranges::copy(scores.column(text), out.begin());
  };
  const ScoreRow best_of_image = [&](int64_t image, std::span<double> out) {
    first_stage->combine(first_stage->row(image), scores.row(image), out);
  };
  const ScoreRow best_of_text = [&](int64_t text, std::span<double> out) {
    first_stage->combine(first_stage->column(text), scores.column(text), out);
  };
  const RetrievalStandings standings =
      first_stage ? retrieval_standings(images, selected.image_of_text, best_of_image, best_of_text)
                  : retrieval_standings(images, selected.image_of_text, all_of_image);
  NamedFigures out{{"images", static_cast<double>(images)}, {"texts", static_cast<double>(selected.texts.size())}};
  if (options.usable && options.usable->left_out() > 0)
    out.emplace_back(kPicturesLeftOut, static_cast<double>(options.usable->left_out()));
  add_metrics(retrieval_metrics(standings, options.ties), "", out);
  if (options.folds > 0) add_folds(selected, all_of_image, options, out);
  if (first_stage) {
    const ScoreRow alone_of_image = [&](int64_t image, std::span<double> row) {
      std::ranges::copy(first_stage->row(image), row.begin());
    };
    add_metrics(retrieval_metrics(retrieval_standings(images, selected.image_of_text, alone_of_image), options.ties),
                ", first stage alone", out);
  }
  if (options.ranked)
    options.ranked({selected.images, selected.texts, selected.image_of_text, standings,
                    first_stage ? best_of_image : all_of_image, first_stage ? best_of_text : all_of_text});
  if (options.controls) add_annotated_recalls(part.captions, source.pictures, selected.images, selected.texts, out);
  return out;
}

}  // namespace tessera
