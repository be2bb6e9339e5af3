#include "vilt/command/on_regions.h"

#include <iostream>

#include "io/printable.h"
#include "io/words.h"
#include "models/uniter/files.h"
#include "models/vilbert/files.h"

namespace tessera::command {
namespace {

template <class Options>
Options options_on_regions(const std::filesystem::path& place, const WeightsArguments& arguments) {
  check(arguments.labels.empty() && arguments.attention_heads == 0 && !arguments.partial,
        "--labels, --attention-heads and --partial are for ViLT; ", shown(place), " is another model's");
  Options options;
  options.config = arguments.config;
  options.report = [](const std::string& line) { std::cout << "  " << line << '\n'; };
  return options;
}

// A model with what is told and written of it.
struct ModelOnRegions {
  const char* name;
  std::string source, format, config_json, heads;
  std::shared_ptr<const void> model;  // keeps what the parameters belong to
  std::unique_ptr<ParameterSet> parameters;
  FileViews views;
  std::filesystem::path vocabulary;
};

std::string uniter_heads(const UniterHeads& heads) {
  const std::pair<bool, const char*> all[] = {{heads.words, "masked words"},
                                              {heads.region_features, "masked features"},
                                              {heads.region_classes, "masked regions"},
                                              {heads.matching, "matching"},
                                              {heads.answers, "answers"},
                                              {heads.pair, "pairs of pictures"},
                                              {heads.paired_attention, "pairs of pictures (paired attention)"},
                                              {heads.rank, "ranking"}};
  std::string out;
  for (const auto& [there, name] : all)
    if (there) out += (out.empty() ? "" : ", ") + std::string(name);
  return out.empty() ? "none" : out;
}

std::optional<ModelOnRegions> load_on_regions(const std::filesystem::path& place, const WeightsArguments& arguments) {
  if (is_uniter(place)) {
    LoadedUniter uniter = load_uniter_files(place, options_on_regions<UniterLoadOptions>(place, arguments));
    const std::string json = uniter.model->uniter.config.to_json(), heads = uniter_heads(uniter.model->heads());
    return ModelOnRegions{"UNITER",
                          uniter.source,
                          uniter.format,
                          json,
                          heads,
                          std::shared_ptr<const UniterWithHeads>(std::move(uniter.model)),
                          std::move(uniter.parameters),
                          split_qkv,
                          uniter.vocabulary};
  }
  if (!is_vilbert(place)) return std::nullopt;
  LoadedVilbert vilbert = load_vilbert_files(place, options_on_regions<VilbertLoadOptions>(place, arguments));
  constexpr const char* kHeads[] = {"masked words, masked regions, matching", "answers", "retrieval"};
  const char* heads = kHeads[vilbert.model.index()];
  return ModelOnRegions{"ViLBERT",
                        vilbert.source,
                        vilbert.format,
                        vilbert.config.to_json(),
                        heads,
                        std::make_shared<decltype(vilbert.model)>(std::move(vilbert.model)),
                        std::move(vilbert.parameters),
                        vilbert_file_views,
                        vilbert.vocabulary};
}

}  // namespace

std::optional<int> convert_on_regions(const std::filesystem::path& place, const ConvertArguments& arguments,
                                      DType dtype) {
  const std::optional<ModelOnRegions> model = load_on_regions(place, arguments.weights);
  if (!model) return std::nullopt;
  check(arguments.names != "authors", "--names authors is for ViLT and CLIP; ", shown(arguments.from),
        " is of a model whose published names are the only ones");
  const std::filesystem::path given = arguments.weights.vocabulary;
  const std::filesystem::path vocabulary = given.empty() ? model->vocabulary : given;
  write_region_model(arguments.to, model->config_json, *model->parameters, model->views, vocabulary, dtype,
                     arguments.force);
  std::cout << shown(arguments.to) << ": " << model->name << ", " << model->parameters->slots().size()
            << " parameters, " << arguments.dtype << '\n';
  if (vocabulary.empty()) std::cout << "  there is no vocabulary: give one with --vocab, or put vocab.txt there\n";
  return 0;
}

bool info_on_regions(const std::filesystem::path& place, const InfoArguments& arguments) {
  const std::optional<ModelOnRegions> model = load_on_regions(place, arguments.weights);
  if (!model) return false;
  std::cout << shown(model->source) << ": " << model->format << ", " << model->name << "\nheads: " << model->heads
            << '\n'
            << model->config_json << with_thousands(model->parameters->total()) << " parameters\n";
  if (arguments.tensors)
    for (const auto& [name, tensor] : model->views(model->parameters->state()))
      std::cout << "  " << name << ' ' << tensor.dtype() << ' ' << tensor.shape() << '\n';
  return true;
}

}  // namespace tessera::command
