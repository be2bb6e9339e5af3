#include "vilt/command/evaluate_retrieval.h"

#include <algorithm>
#include <chrono>
#include <iostream>
#include <sstream>

#include "io/printable.h"
#include "io/sha256.h"
#include "io/words.h"
#include "nn/precision.h"
#include "train/interruption.h"
#include "train/progress_line.h"
#include "vilt/command/figures.h"
#include "vilt/command/first_stage.h"
#include "vilt/command/overwriting.h"
#include "vilt/files/preprocessing.h"
#include "vilt/tasks/retrieval_evaluation.h"
#include "vilt/tasks/run_scores.h"

namespace tessera::command {
namespace {

TieRule tie_rule(const std::string& typed) {
  return *std::ranges::find_if(kTieRules, [&](TieRule rule) { return name(rule) == typed; });
}

// What decides the scores, besides pictures and texts.
ScoreFile::Identity identity_of(const LoadedModel& model) {
  Sha256 config, preparation;
  config.add(model.config.to_json());
  preparation.add(preprocessing_json(model.preprocessing));
  return {{"weights", weights_hash(*model.parameters)},
          {"configuration", "sha256 " + config.hexadecimal()},
          {"preparation of pictures", "sha256 " + preparation.hexadecimal()},
          {"head", model.model->rank ? "rank_output" : "itm_score, logit of a match"},
          {"precision", describe_precision(model.context.activations, model.model->vilt.device())}};
}

// Tells how long it will take as soon as that is known, and on a terminal how far it is.
class RankingTold {
 public:
  RankingTold(const EvalArguments& arguments, int64_t pictures) : arguments_(arguments), pictures_(pictures) {}

  void operator()(const RankingProgress& progress) {
    const auto now = Clock::now();
    if (first_ < 0) {
      first_ = progress.done;
      begin_ = now;
      if (first_ > 0 && !arguments_.json)
        std::cout << with_thousands(first_) << " of " << with_thousands(progress.of) << " scores are in "
                  << shown(arguments_.scores) << " already\n";
    }
    last_ = progress;
    if (!progress.seconds_left) return;
    if (!told_ && !arguments_.json && !arguments_.estimate) {
      line_.clear();
      std::cout << pairs_text() << ": about " << about_text(*progress.seconds_left) << std::endl;
    }
    told_ = true;
    const double seconds = std::chrono::duration<double>(now - begin_).count();
    const double rate = static_cast<double>(progress.done - first_) / std::max(seconds, 1e-9);
    line_.show(text("ranking ", with_thousands(progress.done), " of ", with_thousands(progress.of), " pairs  ",
                    rate < 10 ? fixed_text(rate, 1) : with_thousands(static_cast<int64_t>(rate)), "/s  ",
                    clock_text(*progress.seconds_left), " left"));
  }
  // Whether an estimate is worth telling: two seconds, or as long as a batch takes.
  bool is_steady() const { return last_.seconds_left && Clock::now() - begin_ > std::chrono::seconds(2); }
  void clear() const { line_.clear(); }
  const RankingProgress& last() const { return last_; }

  // For COCO's test split, too: what is published of it took 280 hours of a GPU.
  void print_estimate(std::ostream& out) const {
    const double seconds = std::chrono::duration<double>(Clock::now() - begin_).count();
    const double left = last_.seconds_left.value_or(0), all = seconds + left;
    const double per_pair = all / static_cast<double>(std::max<int64_t>(1, last_.of));
    out << pairs_text() << ": about " << about_text(all) << '\n'
        << "COCO's test split of such pictures and texts, 5,000 x 25,010: about " << about_text(per_pair * 5000 * 25010)
        << "; with --shortlist 128 at most " << about_text(per_pair * 128 * (5000 + 25010)) << '\n';
  }

 private:
  std::string pairs_text() const {
    if (arguments_.shortlist > 0 || pictures_ == 0) return with_thousands(last_.of) + " pairs";
    return text(with_thousands(pictures_), " x ", with_thousands(last_.of / pictures_), " pairs");
  }

  using Clock = std::chrono::steady_clock;
  const EvalArguments& arguments_;
  const int64_t pictures_;
  const ProgressLine line_;
  bool told_ = false;
  int64_t first_ = -1;
  RankingProgress last_;
  Clock::time_point begin_;
};

void check_options(const EvalArguments& arguments) {
  check(arguments.group.empty(), "--group is for models of pre-training");
  check(arguments.predictions.empty(),
        "--predictions is for answers and statements; --scores writes what ranking gives");
  check((arguments.shortlist > 0) == !arguments.first_stage.empty(),
        "--shortlist N and --first-stage PLACE belong together: the file or the run says which are the best");
  check(arguments.shortlist == 0 || arguments.folds == 0,
        "--folds and --shortlist exclude each other: each fold has candidates of its own");
}

}  // namespace

void check_no_retrieval_options(const EvalArguments& arguments) {
  for (const auto& [given, option] : {std::pair{arguments.folds > 0, "--folds"},
                                      {arguments.shortlist > 0, "--shortlist"},
                                      {!arguments.first_stage.empty(), "--first-stage"},
                                      {!arguments.scores.empty(), "--scores"},
                                      {arguments.estimate, "--estimate"},
                                      {arguments.ties != "pessimistic", "--ties"}})
    check(!given, option, " is for retrieval; a pre-trained model ranks with --task retrieval");
}

int eval_retrieval(const EvalArguments& arguments, const LoadedModel& model, const DownstreamTask& task) {
  check_options(arguments);
  const ProgressLine reading;
  reading.show(text("reading ", shown(arguments.captions), " …"));
  std::ostringstream remarks;
  const DownstreamPart part = read_part(task, eval_settings(arguments, task), DataPart::test, remarks);
  reading.clear();
  if (!arguments.json) std::cout << remarks.str();
  const DownstreamSource source(part.set({}, Unanswerable::keep), *model.vocabulary, model.preprocessing);
  const auto pictures = static_cast<int64_t>(source.set.pictures.size());
  RankingTold told(arguments, arguments.limit > 0 ? std::min(arguments.limit, pictures) : pictures);
  RetrievalOptions options;
  options.limit = arguments.limit;
  const auto report = [&](const std::string& reason) {
    told.clear();
    std::cerr << "left out: " + reason + "\n" << std::flush;
  };
  UsablePictures usable(source.pictures, arguments.max_bad_files, report, "--max-bad-files");
  options.usable = &usable;
  options.controls = true;
  options.context = model.context;
  options.ties = tie_rule(arguments.ties);
  options.folds = arguments.folds;
  options.shortlist = arguments.shortlist;
  options.first_stage = arguments.first_stage;
  if (const std::optional<TwoTowers> towers = two_towers(arguments.first_stage)) {
    if (!arguments.json) std::cout << "first stage: " << towers->described << '\n';
    options.first_stage_scores = [&source, towers](std::span<const int64_t> images, std::span<const int64_t> texts) {
      std::vector<std::string> typed;
      std::vector<std::filesystem::path> files;
      for (const int64_t image : images) files.emplace_back(source.set.pictures[static_cast<size_t>(image)]);
      for (const int64_t text : texts) typed.push_back(source.set.samples[static_cast<size_t>(text)].text);
      return tower_scores(*towers, files, typed);
    };
  }
  options.image_folder = arguments.images;
  options.progress = [&](const RankingProgress& progress) { told(progress); };
  std::optional<SignalGuard> signals;
  if (arguments.estimate) {
    options.stop = [&] { return told.is_steady(); };
  } else if (!arguments.scores.empty()) {
    options.scores = arguments.scores;
    options.scores_there = arguments.force ? ScoreFile::There::replace : ScoreFile::There::keep;
    options.identity = identity_of(model);
    options.stop = [] { return kept_signal() != 0; };
    signals.emplace();
  }
  const std::optional<NamedFigures> figures = evaluate_retrieval(*model.model, source, part, options);
  told.clear();
  if (arguments.estimate) {
    told.print_estimate(std::cout);
    return 0;
  }
  if (!figures)
    throw Interrupted(kept_signal(), text(signal_name(kept_signal()), ": ", with_thousands(told.last().done), " of ",
                                          with_thousands(told.last().of), " scores are in ", shown(arguments.scores),
                                          "; the same command goes on"));
  if (arguments.json) {
    std::cout << figures_json(*figures) << '\n';
    return 0;
  }
  std::cout << shown(model.directory) << " (" << task.name << (model.model->rank ? "" : ", zero-shot by itm_score")
            << ") on " << shown(arguments.captions) << ", equal scores by the rule " << arguments.ties << '\n';
  print_downstream(std::cout, {{"", *figures}});
  return 0;
}

}  // namespace tessera::command
