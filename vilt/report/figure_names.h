// What is known of a figure by its name, as metrics.jsonl and summary.json have it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tessera {

struct FigureTraits {
  enum class Unit : uint8_t { number, share, count } unit = Unit::share;
  // neither: of counts, controls (what chance or another picture gives) and figures that only describe (entropies).
  enum class Better : uint8_t { neither, higher, lower } better = Better::neither;
};

FigureTraits figure_traits(std::string_view name);

// For people, as plain text: "Matching, random picture" of "itm_accuracy_random".
std::string figure_title(std::string_view name);

// 0.875 of a share: "87.5 %"; "–" for what was not measured or is not finite.
std::string figure_text(std::string_view name, std::optional<double> value);

}  // namespace tessera
