#include "vilt/tasks/downstream_evaluation.h"

#include <algorithm>

#include "data/tasks/nlvr2_metrics.h"
#include "data/tasks/vqa_accuracy.h"
#include "io/words.h"
#include "train/evaluation/spread.h"
#include "vilt/ask/questions.h"
#include "vilt/tasks/evaluation_parts.h"

namespace tessera {
namespace {

class Evaluator {
 public:
  Evaluator(const DownstreamTask& task, const ViltWithHeads& model, const DownstreamSource& source,
            const DownstreamEvaluationOptions& options)
      : task_(task), model_(model), source_(source), options_(options) {}

  // Those of a part that are judged.
  std::vector<int64_t> chosen() const {
    std::vector<int64_t> samples = spread(static_cast<int64_t>(source_.set.samples.size()), options_.limit);
    if (!options_.usable) return samples;
    const auto pictures_of = [&](int64_t sample) {
      const auto& images = source_.set.samples[static_cast<size_t>(sample)].images;
      return std::span(images).first(static_cast<size_t>(task_.images));
    };
    std::vector<int64_t> pictures;
    for (const int64_t sample : samples) {
      const auto of_sample = pictures_of(sample);
      pictures.insert(pictures.end(), of_sample.begin(), of_sample.end());
    }
    options_.usable->look_at(pictures);
    std::erase_if(samples, [&](int64_t sample) {
      return !std::ranges::all_of(pictures_of(sample), [&](int64_t image) { return options_.usable->usable(image); });
    });
    check(!samples.empty(), "evaluation: none of the ", task_.samples, " has pictures that can be decoded");
    return samples;
  }

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

void tell_left_out(const UsablePictures* usable, NamedFigures& figures) {
  if (usable && usable->left_out() > 0) figures.emplace_back(kPicturesLeftOut, static_cast<double>(usable->left_out()));
}

NamedFigures evaluate_answers(const Evaluator& evaluator, const DownstreamSource& source, const DownstreamPart& part,
                              const AnswerTable& table, const DownstreamEvaluationOptions& options) {
  const std::vector<int64_t> samples = evaluator.chosen();
  const auto accuracy_of = [&](const std::vector<int64_t>& labels) {
    VqaAccuracy accuracy;
    for (size_t i = 0; i < samples.size(); ++i)
      accuracy.add(part.questions[static_cast<size_t>(samples[i])], table.answers()[static_cast<size_t>(labels[i])]);
    return accuracy;
  };
  const std::vector<int64_t> labels = evaluator.labels("answers", samples, samples);
  tell_answers(options, samples, labels);
  const VqaAccuracy accuracy = accuracy_of(labels);
  NamedFigures out{{"questions", static_cast<double>(samples.size())}};
  tell_left_out(options.usable, out);
  out.emplace_back("accuracy", accuracy.overall().value());
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

NamedFigures evaluate_statements(const Evaluator& evaluator, const DownstreamPart& part,
                                 const DownstreamEvaluationOptions& options) {
  const std::vector<int64_t> samples = evaluator.chosen();
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
  NamedFigures out{{"statements", static_cast<double>(samples.size())}};
  tell_left_out(options.usable, out);
  out.emplace_back("accuracy", score.accuracy());
  out.emplace_back("consistency", score.consistency());
  if (!options.controls) return out;
  out.emplace_back("other_pictures",
                   score_of(evaluator.labels("with other pictures", samples, others(samples))).accuracy());
  out.emplace_back("one_picture", score_of(evaluator.labels("with one picture", samples, samples, true)).accuracy());
  return out;
}

// All pairs, in memory unless it is asked for otherwise.
NamedFigures evaluate_ranking(const ViltWithHeads& model, const DownstreamSource& source, const DownstreamPart& part,
                              const DownstreamEvaluationOptions& options) {
  RetrievalOptions retrieval;
  retrieval.limit = options.limit;
  retrieval.controls = options.controls;
  retrieval.context = options.context;
  retrieval.usable = options.usable;
  if (options.progress)
    retrieval.progress = [&](const RankingProgress& progress) {
      options.progress("ranking", static_cast<size_t>(progress.done), static_cast<size_t>(progress.of));
    };
  if (options.ranking) options.ranking(retrieval);
  return *evaluate_retrieval(model, source, part, retrieval);
}

}  // namespace

NamedFigures evaluate_downstream(const DownstreamTask& task, const ViltWithHeads& model, const DownstreamSource& source,
                                 const DownstreamPart& part, const AnswerTable& table,
                                 const DownstreamEvaluationOptions& options) {
  if (!task.classifies) return evaluate_ranking(model, source, part, options);
  const Evaluator evaluator(task, model, source, options);
  if (task.images == 2) return evaluate_statements(evaluator, part, options);
  return evaluate_answers(evaluator, source, part, table, options);
}

std::string figures_text(const NamedFigures& figures) {
  std::string out;
  for (const auto& [name, value] : figures)
    out += text(out.empty() ? "" : ", ", name, " ", fixed_text(value, is_count(name) ? 0 : 3));
  return out;
}

}  // namespace tessera
