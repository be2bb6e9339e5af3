#include "vilt/tasks/finetuning_run.h"

#include <algorithm>

#include "io/printable.h"
#include "vilt/files/model_folder.h"
#include "vilt/tasks/downstream_evaluation.h"
#include "vilt/tasks/example_pictures.h"
#include "vilt/tasks/pretraining.h"

namespace tessera {
namespace {

AnswerTable table_of(const DownstreamTask& task, const std::vector<std::string>& labels) {
  return task.classifies && task.images == 1 ? AnswerTable(labels) : AnswerTable();
}

}  // namespace

DownstreamOptions downstream_options(const Settings& settings, const AnswerTable& table) {
  DownstreamOptions options;
  options.batch_size = settings.train.batch_size;
  options.accumulate = settings.train.accumulate;
  options.seed = static_cast<uint64_t>(settings.train.seed);
  options.table_side = settings.model.table_side();
  options.max_patches = settings.image.max_patches;
  options.rand_augment = settings.image.augment == "randaugment";
  options.levels = settings.train.device != "cpu";
  options.answers = table.size();
  options.false_texts = settings.downstream.false_texts;
  options.sibling_negatives = settings.downstream.sibling_negatives;
  return options;
}

FinetuningRun::FinetuningRun(const Settings& settings, const LoadedModel* weights, const Wordpiece& vocabulary,
                             const std::vector<std::string>& labels, const DownstreamSource& train, Split validation,
                             Quarantine& quarantine)
    : Finetuning(settings, labels, weights),
      settings_(settings),
      vocabulary_(vocabulary),
      table_(table_of(task(), labels)),
      train_(train),
      validation_(validation),
      quarantine_(quarantine),
      usable_(validation.source.pictures, quarantine.limit(), quarantine.report()),
      collator_(task(), train, downstream_options(settings, table_), quarantine) {}

Evaluated FinetuningRun::evaluate() {
  DownstreamEvaluationOptions options;
  options.limit = settings_.train.evaluate_samples;
  options.context = context();
  options.usable = &usable_;
  const NamedFigures figures =
      evaluate_downstream(task(), model(), validation_.source, validation_.part, table_, options);
  return {figures_json(figures), figures_text(figures), examples()};
}

std::vector<EventImage> FinetuningRun::examples() {
  const DownstreamSource& source = validation_.source;
  std::vector<PictureExample> out;
  for (const int64_t s : example_samples(static_cast<int64_t>(source.set.samples.size()), settings_)) {
    const DownstreamSample& sample = source.set.samples[static_cast<size_t>(s)];
    const auto images = std::span(sample.images).first(static_cast<size_t>(task().images));
    if (!std::ranges::all_of(images, [&](int64_t image) { return usable_.usable(image); })) continue;
    PictureExample& example = out.emplace_back(PictureExample{sample.text, source.text(s), {}});
    for (const int64_t image : images) example.pictures.push_back(source.pictures.resized(image));
  }
  return example_pictures(model(), source.pictures, out, context());
}

void FinetuningRun::save(const std::filesystem::path& folder) {
  save_model_folder(folder, model().vilt.config, sample_options(settings_), vocabulary_, parameters());
}

std::function<void()> FinetuningRun::open(const std::filesystem::path& folder) {
  const std::string where = shown(folder);
  check(Wordpiece::from_file(folder / "vocab.txt").tokens() == vocabulary_.tokens(), where,
        ": was trained with another vocabulary; use --fresh to start over or train.out=FOLDER for another place");
  check(ModelConfig::from_file(folder / "config.json").labels == model().vilt.config.labels, where,
        ": was trained with other answers (id2label) than the data give now; use --fresh to start over or "
        "train.out=FOLDER for another place");
  return open_model_folder(folder, model().vilt.config, parameters());
}

std::string FinetuningRun::remarks() const {
  return text("; ", train_.pictures.cached_bytes() >> 20, " MiB of decoded images in memory; ", quarantine_.count(),
              " images left out");
}

}  // namespace tessera
