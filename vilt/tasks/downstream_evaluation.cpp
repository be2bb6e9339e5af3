#include "vilt/tasks/downstream_evaluation.h"

#include <algorithm>
#include <map>

#include "data/tasks/nlvr2_metrics.h"
#include "data/tasks/retrieval_metrics.h"
#include "data/tasks/vqa_accuracy.h"
#include "io/words.h"
#include "vilt/ask/questions.h"
#include "vilt/tasks/annotated_recalls.h"
#include "vilt/tasks/evaluation_parts.h"

namespace tessera {
namespace {

// `count` of 0 … all - 1, evenly spread.
std::vector<int64_t> spread(int64_t all, int64_t limit) {
  const int64_t count = limit > 0 ? std::min(limit, all) : all;
  std::vector<int64_t> out;
  for (int64_t i = 0; i < count; ++i) out.push_back(i * all / count);
  return out;
}

class Evaluator {
 public:
  Evaluator(const DownstreamTask& task, const ViltWithHeads& model, const DownstreamSource& source,
            const DownstreamEvaluationOptions& options)
      : task_(task), model_(model), source_(source), options_(options) {}

  // The best label of each sample; `shown`: the samples whose pictures are shown with it. `twice`: the first picture in
  // place of the second, too.
  std::vector<int64_t> labels(const char* part, const std::vector<int64_t>& samples, const std::vector<int64_t>& shown,
                              bool twice = false) const {
    std::vector<int64_t> out;
    if (options_.guess) {
      for (const int64_t sample : samples)
        out.push_back(options_.guess(source_.set.samples[static_cast<size_t>(sample)].text));
      return out;
    }
    for (size_t first = 0; first < samples.size(); first += kSlice) {
      ImagePool pool(source_.pictures);
      std::vector<Question> questions;
      for (size_t i = first; i < std::min(first + kSlice, samples.size()); ++i) {
        Question& question = questions.emplace_back(Question{source_.text(samples[i]), {}});
        const auto& images = source_.set.samples[static_cast<size_t>(shown[i])].images;
        for (int64_t k = 0; k < task_.images; ++k)
          question.images.push_back(pool.get(images[twice ? 0 : static_cast<size_t>(k)]));
      }
      for (const auto& best : classify(model_, questions, 1, options_.context)) out.push_back(best[0].label);
      tell(part, out.size(), samples.size());
    }
    return out;
  }

  // Scores of these pictures with these texts, a row for each picture.
  std::vector<float> score_matrix(const std::vector<int64_t>& images, const std::vector<int64_t>& texts) const {
    std::vector<std::vector<int64_t>> ids;
    for (const int64_t sample : texts) ids.push_back(source_.text(sample));
    std::vector<float> out;
    for (size_t i = 0; i < images.size(); ++i) {
      const auto image = std::make_shared<const PatchedImage>(source_.pictures.patched(images[i]));
      std::vector<Question> questions;
      for (const auto& text : ids) questions.push_back({text, {image}});
      for (const double score : rank_scores(model_, questions, options_.context))
        out.push_back(static_cast<float>(score));
      tell("ranking", i + 1, images.size());
    }
    return out;
  }

 private:
  void tell(const char* part, size_t done, size_t of) const {
    if (options_.progress) options_.progress(part, done, of);
  }

  const DownstreamTask& task_;
  const ViltWithHeads& model_;
  const DownstreamSource& source_;
  const DownstreamEvaluationOptions& options_;
};

// Each sample's fixed other one: half of them further on, so that no order of the file brings the same picture.
std::vector<int64_t> others(const std::vector<int64_t>& samples) {
  std::vector<int64_t> out;
  for (size_t i = 0; i < samples.size(); ++i) out.push_back(samples[(i + samples.size() / 2) % samples.size()]);
  return out;
}

void tell_answers(const DownstreamEvaluationOptions& options, const std::vector<int64_t>& samples,
                  const std::vector<int64_t>& labels) {
  if (!options.answered) return;
  for (size_t i = 0; i < samples.size(); ++i) options.answered(samples[i], labels[i]);
}

NamedFigures evaluate_answers(const Evaluator& evaluator, const DownstreamSource& source, const DownstreamPart& part,
                              const AnswerTable& table, const DownstreamEvaluationOptions& options) {
  const std::vector<int64_t> samples = spread(static_cast<int64_t>(source.set.samples.size()), options.limit);
  const auto accuracy_of = [&](const std::vector<int64_t>& labels) {
    VqaAccuracy accuracy;
    for (size_t i = 0; i < samples.size(); ++i)
      accuracy.add(part.questions[static_cast<size_t>(samples[i])], table.answers()[static_cast<size_t>(labels[i])]);
    return accuracy;
  };
  const std::vector<int64_t> labels = evaluator.labels("answers", samples, samples);
  tell_answers(options, samples, labels);
  const VqaAccuracy accuracy = accuracy_of(labels);
  NamedFigures out{{"questions", static_cast<double>(samples.size())}, {"accuracy", accuracy.overall().value()}};
  double soft = 0;
  int64_t answerable = 0;
  for (size_t i = 0; i < samples.size(); ++i) {
    const SoftTargets& targets = source.set.samples[static_cast<size_t>(samples[i])].targets;
    answerable += !targets.empty();
    soft += local_score(targets, labels[i]);
  }
  if (answerable > 0) out.emplace_back("soft_score", soft / static_cast<double>(answerable));
  for (const auto& [type, mean] : accuracy.of_answer_types())
    if (!type.empty()) out.emplace_back("accuracy, " + type, mean.value());
  if (options.controls)
    out.emplace_back("other_picture",
                     accuracy_of(evaluator.labels("with another picture", samples, others(samples))).overall().value());
  return out;
}

NamedFigures evaluate_statements(const Evaluator& evaluator, const DownstreamSource& source, const DownstreamPart& part,
                                 const DownstreamEvaluationOptions& options) {
  const std::vector<int64_t> samples = spread(static_cast<int64_t>(source.set.samples.size()), options.limit);
  std::vector<Nlvr2Example> examples;
  for (const int64_t sample : samples) examples.push_back(part.statements[static_cast<size_t>(sample)]);
  const auto score_of = [&](const std::vector<int64_t>& labels) {
    std::vector<bool> says;
    for (const int64_t label : labels) says.push_back(label == 1);
    return nlvr2_score(examples, says);
  };
  const std::vector<int64_t> labels = evaluator.labels("statements", samples, samples);
  tell_answers(options, samples, labels);
  const Nlvr2Score score = score_of(labels);
  NamedFigures out{{"statements", static_cast<double>(samples.size())},
                   {"accuracy", score.accuracy()},
                   {"consistency", score.consistency()}};
  if (!options.controls) return out;
  out.emplace_back("other_pictures",
                   score_of(evaluator.labels("with other pictures", samples, others(samples))).accuracy());
  out.emplace_back("one_picture", score_of(evaluator.labels("with one picture", samples, samples, true)).accuracy());
  return out;
}

NamedFigures evaluate_ranking(const Evaluator& evaluator, const DownstreamSource& source, const DownstreamPart& part,
                              const DownstreamEvaluationOptions& options) {
  const std::vector<int64_t> images = spread(static_cast<int64_t>(source.set.pictures.size()), options.limit);
  std::map<int64_t, int64_t> place;
  for (size_t i = 0; i < images.size(); ++i) place[images[i]] = static_cast<int64_t>(i);
  std::vector<int64_t> texts, image_of_text;
  for (size_t s = 0; s < source.set.samples.size(); ++s)
    if (const auto found = place.find(source.set.samples[s].images[0]); found != place.end()) {
      texts.push_back(static_cast<int64_t>(s));
      image_of_text.push_back(found->second);
    }
  const std::vector<float> scores = evaluator.score_matrix(images, texts);
  const RetrievalMetrics metrics = retrieval_metrics(retrieval_standings(
      static_cast<int64_t>(images.size()), image_of_text, [&](int64_t image, std::span<double> row) {
        std::copy_n(scores.begin() + image * static_cast<int64_t>(texts.size()), texts.size(), row.begin());
      }));
  NamedFigures out{{"images", static_cast<double>(images.size())}, {"texts", static_cast<double>(texts.size())}};
  for (const auto& [name, direction] :
       {std::pair{"text", &metrics.text_retrieval}, {"image", &metrics.image_retrieval}}) {
    for (size_t k = 0; k < kRecallAt.size(); ++k)
      out.emplace_back(text(name, " R@", kRecallAt[k]), direction->recall(k));
    if (direction->median_rank)
      out.emplace_back(text(name, " median rank"), static_cast<double>(*direction->median_rank));
    if (direction->mean_rank) out.emplace_back(text(name, " mean rank"), *direction->mean_rank);
  }
  if (options.controls) add_annotated_recalls(part.captions, source.pictures, images, texts, out);
  return out;
}

}  // namespace

NamedFigures evaluate_downstream(const DownstreamTask& task, const ViltWithHeads& model, const DownstreamSource& source,
                                 const DownstreamPart& part, const AnswerTable& table,
                                 const DownstreamEvaluationOptions& options) {
  const Evaluator evaluator(task, model, source, options);
  if (!task.classifies) return evaluate_ranking(evaluator, source, part, options);
  if (task.images == 2) return evaluate_statements(evaluator, source, part, options);
  return evaluate_answers(evaluator, source, part, table, options);
}

std::string figures_text(const NamedFigures& figures) {
  std::string out;
  for (const auto& [name, value] : figures)
    out += text(out.empty() ? "" : ", ", name, " ", fixed_text(value, is_count(name) ? 0 : 3));
  return out;
}

}  // namespace tessera
