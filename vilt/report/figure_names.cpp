#include "vilt/report/figure_names.h"

#include <algorithm>
#include <cmath>

#include "io/words.h"
#include "report/html.h"
#include "vilt/report/report_parts.h"
#include "vilt/tasks/summary.h"

namespace tessera {
namespace {

struct KnownTitle {
  std::string_view name;
  const char* title;
};
constexpr KnownTitle kTitles[] = {{"loss", "Loss"},
                                  {"mlm_loss", "Masked words: cross-entropy"},
                                  {"itm_loss", "Matching: cross-entropy"},
                                  {"wpa_loss", "Word-patch alignment: transport cost"},
                                  {"mpp_loss", "Masked patches: loss"},
                                  {"mlm_accuracy", "Masked-word accuracy"},
                                  {"itm_accuracy", "Matching accuracy"},
                                  {"learning_rate", "Learning rate"},
                                  {"grad_norm", "Gradient norm"},
                                  {"samples_per_second", "Samples per second"},
                                  {"data_wait_share", "Time spent waiting for data"},
                                  {"samples", "Samples"},
                                  {"content_words", "Content words"},
                                  {"pointed_words", "Nouns with a box"},
                                  {"pointing_chance", "Pointing by chance"}};

bool has(std::string_view name, std::string_view part) { return name.find(part) != std::string_view::npos; }

bool is_control(std::string_view name) {
  return has(name, "wrong_image") || has(name, "other picture") || name.starts_with("other_picture") ||
         name == "one_picture" || name == "pointing_chance" || name.ends_with(" by objects alone") ||
         name.ends_with(" attainable");
}

std::string with_spaces(std::string_view name) {
  std::string out(name);
  std::replace(out.begin(), out.end(), '_', ' ');
  return out;
}

}  // namespace

FigureTraits figure_traits(std::string_view name) {
  if (name.ends_with("rank"))
    return {is_count(name) ? FigureTraits::Unit::count : FigureTraits::Unit::number, FigureTraits::Better::lower};
  if (is_count(name) || name == "samples" || name == "content_words" || name == "pointed_words")
    return {FigureTraits::Unit::count, FigureTraits::Better::neither};
  if (name.ends_with("loss")) return {FigureTraits::Unit::number, FigureTraits::Better::lower};
  if (name.ends_with("entropy") || name == "learning_rate" || name == "grad_norm" || name == "samples_per_second" ||
      name == "seconds")
    return {FigureTraits::Unit::number, FigureTraits::Better::neither};
  if (name == "data_wait_share") return {FigureTraits::Unit::share, FigureTraits::Better::neither};
  return {FigureTraits::Unit::share, is_control(name) ? FigureTraits::Better::neither : FigureTraits::Better::higher};
}

std::string figure_title(std::string_view name) {
  if (const size_t slash = name.find('/'); slash != std::string_view::npos) {
    const std::string_view map = name.substr(0, slash), key = name.substr(slash + 1);
    for (const auto& [ending, word] : {KnownTitle{"_by_kind", ""}, KnownTitle{"_by_layer", "layer "}})
      if (map.ends_with(ending)) return text(figure_title(map.substr(0, map.size() - ending.size())), ": ", word, key);
  }
  for (const KnownTitle& known : kTitles)
    if (known.name == name) return known.title;
  if (const char* title = pretraining_figure_title(name)) return title;
  return with_spaces(name);
}

std::string figure_text(std::string_view name, std::optional<double> value) {
  if (!value || !std::isfinite(*value)) return fixed(std::nullopt, 0);
  const FigureTraits::Unit unit = figure_traits(name).unit;
  // A median of an even number of ranks may lie between two.
  if (unit == FigureTraits::Unit::count && *value == std::floor(*value) && std::abs(*value) < 1e15)
    return with_thousands(static_cast<int64_t>(*value));
  if (unit == FigureTraits::Unit::share) return percent(value);
  return name.ends_with("loss") ? short_number(*value, 4) : fixed(value, 2);
}

}  // namespace tessera
